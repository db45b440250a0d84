"""Whole episodes under a trained policy; on a device, one job per asked step, resumable at each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from diffusion.episodes import Episode, Playing, play
from policy import Actor
from qhw.devices.backend import DeviceBackend, Position
from qhw.evaluation.judges import PairedLatents
from qhw.runs.checkpoint import pack, unpack
from qhw.runs.directory import Checkpoint
from qhw.training.trainer import Trainer


def mean_action(actor: Actor) -> Callable[[int, Tensor], Tensor]:
    """The policy without its noise, as `play` wants it."""

    def act(_step: int, state: Tensor) -> Tensor:
        with torch.no_grad():
            return actor.action_mean(state)

    return act


def play_policy(
    trainer: Trainer, paired: PairedLatents, phase: str, query_every: int = 1
) -> Episode:
    """Play a policy's deterministic actions.

    Args:
        trainer: Holds the policy, its backend and the environment.
        paired: Latents and labels.
        phase: Names this use in the ledger.
        query_every: Ask the circuit at every K-th step and hold the action between.
    """
    latents, labels = paired.latents, paired.labels
    if trainer.paid is not None:
        episode = _Device(trainer, trainer.paid, phase, query_every)
        return episode.play(latents, labels)
    act = held(mean_action(trainer.actor), query_every)
    return play(trainer.environment, latents, labels, act)


def prepare_device(trainer: Trainer, backend: DeviceBackend, phase: str) -> None:
    """Get the device's mitigation ready: as it was if this use goes on, else as it must be now.

    A device that was recalibrated since must not be given another correction in the middle.
    """
    journal = _journal(trainer, backend, phase)
    if journal is not None:
        backend.restore_random_state(journal.state["backend"])
    backend.prepare()


def held(act: Callable[[int, Tensor], Tensor], every: int) -> Callable[[int, Tensor], Tensor]:
    """Ask at every K-th step and repeat the answer (n,) in between."""
    last: list[Tensor] = []

    def holding(step: int, state: Tensor) -> Tensor:
        if step % every == 0:
            last[:] = [act(step, state)]
        return last[0]

    return holding


class _Device:
    """All pictures in lockstep; the state is journaled before each submission."""

    def __init__(
        self, trainer: Trainer, backend: DeviceBackend, phase: str, query_every: int
    ) -> None:
        self._trainer, self._backend = trainer, backend
        self._phase, self._every = phase, query_every

    def play(self, latents: Tensor, labels: Tensor) -> Episode:
        playing = self._resume() or Playing.start(self._trainer.environment, latents, labels)
        act = mean_action(self._trainer.actor)
        action = torch.empty(0)
        while not playing.done:
            if playing.step % self._every == 0:
                self._stand(playing)
                action = act(playing.step, playing.states[-1].cpu()).to(latents)
            playing.advance(action)
        return playing.episode()

    def _stand(self, playing: Playing) -> None:
        position = Position(self._phase, self._trainer.done, playing.step)
        self._backend.stand_at(position, pack(self._checkpoint(playing)))

    def _checkpoint(self, playing: Playing) -> Checkpoint:
        state = {
            "stage": _stage(self._trainer, self._phase),
            "backend": self._backend.random_state(),
            "costs": self._trainer.meter.state(),
        }
        return Checkpoint(self._trainer.done, playing.tensors(), state)

    def _resume(self) -> Playing | None:
        """The episodes as they stood before the last submission; None if there was none."""
        journal = _journal(self._trainer, self._backend, self._phase)
        if journal is None:
            return None
        self._backend.restore_random_state(journal.state["backend"])
        self._trainer.meter.restore(journal.state["costs"])
        tensors = {k: tensor.to(self._trainer.device) for k, tensor in journal.tensors.items()}
        return Playing.restore(self._trainer.environment, tensors)


def _journal(trainer: Trainer, backend: DeviceBackend, phase: str) -> Checkpoint | None:
    """The run's last journal, if it was written in this use of the policy."""
    content = backend.latest_journal()
    journal = unpack(content) if content else None
    return journal if journal and journal.state["stage"] == _stage(trainer, phase) else None


def _stage(trainer: Trainer, phase: str) -> str:
    return f"{phase}/{trainer.done}"
