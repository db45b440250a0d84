"""Whole episodes under a trained policy; on a device, one job per asked step, resumable at each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from diffusion.episodes import Episode, Playing, play
from policy import Actor
from qhw.devices.backend import DeviceBackend, Position
from qhw.evaluation.judges import PairedLatents
from qhw.runs.checkpoint import Checkpoint, pack, unpack
from qhw.training.player import Player


def play_policy(player: Player, paired: PairedLatents, phase: str, query_every: int = 1) -> Episode:
    """Play a policy's deterministic actions.

    Args:
        player: The policy, with its backend and environment.
        paired: Latents and labels.
        phase: Names this use in the ledger.
        query_every: Ask the circuit at every K-th step and hold the action between.
    """
    if player.paid_backend is not None:
        return _OnDevice(player, player.paid_backend, phase).play(paired, query_every)
    act = held(mean_action(player.actor), query_every)
    return play(player.environment, paired.latents, paired.labels, act)


def prepare_device(player: Player, backend: DeviceBackend, phase: str) -> None:
    """Get the device's mitigation ready: as it was if this use goes on, else as it must be now.

    A device that was recalibrated since must not be given another correction in the middle.
    """
    journal = _OnDevice(player, backend, phase).journal()
    if journal is not None:
        backend.restore_random_state(journal.state["backend"])
    backend.prepare()


def mean_action(actor: Actor) -> Callable[[int, Tensor], Tensor]:
    """The policy without its noise, as `play` wants it."""

    def act(_step: int, state: Tensor) -> Tensor:
        with torch.no_grad():
            return actor.action_mean(state)

    return act


def held(act: Callable[[int, Tensor], Tensor], every: int) -> Callable[[int, Tensor], Tensor]:
    """Ask at every K-th step and repeat the answer (n,) in between."""
    last: list[Tensor] = []

    def holding(step: int, state: Tensor) -> Tensor:
        if step % every == 0:
            last[:] = [act(step, state)]
        return last[0]

    return holding


class _OnDevice:
    """One use of a policy: all pictures in lockstep, journaled before each submission."""

    def __init__(self, player: Player, backend: DeviceBackend, phase: str) -> None:
        self._player, self._backend, self._phase = player, backend, phase
        self._stage = f"{phase}/{player.updates}"

    def play(self, paired: PairedLatents, query_every: int) -> Episode:
        """Play, or go on with what an earlier process began."""
        environment = self._player.environment
        playing = self.resumed() or Playing.start(environment, paired.latents, paired.labels)
        act = mean_action(self._player.actor)
        action = torch.empty(0)
        while not playing.done:
            if playing.step % query_every == 0:
                position = Position(self._phase, self._player.updates, playing.step)
                state = {"stage": self._stage, **self._player.state()}
                checkpoint = Checkpoint(self._player.updates, playing.tensors(), state)
                self._backend.stand_at(position, pack(checkpoint))
                action = act(playing.step, playing.state)
            playing.advance(action)
        return playing.episode()

    def resumed(self) -> Playing | None:
        """The episodes as they stood before the last submission; None if there was none."""
        journal = self.journal()
        if journal is None:
            return None
        self._player.restore_state(journal.state)
        return Playing.restore(self._player.environment, journal.tensors)

    def journal(self) -> Checkpoint | None:
        """The run's last journal, if it was written in this use of the policy."""
        content = self._backend.latest_journal()
        journal = unpack(content) if content else None
        return journal if journal and journal.state["stage"] == self._stage else None
