"""What acts: a policy with its model, its environment, its backend and what it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from policy import Actor, Cost, ExpectationBackend, Frozen, GradientRule, RingActor
from qhw.backends.backend import Backend
from qhw.config import RunConfig
from qhw.devices.backend import DeviceBackend
from qhw.devices.opening import Requester
from qhw.errors import ConfigError
from qhw.runs.checkpoint import Checkpoint, restore_module
from qhw.runs.directory import RunDirectory
from qhw.training import parts
from qhw.training.reopening import require_own_backend, require_own_circuit
from qhw.training.state_statistics import StateStatistics


class Player:
    """A policy that can be played; nothing in it learns.

    Args:
        config: The run's settings, or those to play it under.
        backend: Taken instead of the configured one.
        requester: Who asks for paid work; a fresh identity by default.
        make_rule: Makes what differentiates the circuit on the opened backend, for whoever trains
            the policy.

    Attributes:
        device: The torch device of pictures.
        backend: None for a classical actor.
        statistics: What standardises the state of fresh weights; trained ones bring their own.
        updates: How many updates its weights have had.

    Raises:
        ConfigError: If the given backend is of another circuit, or there is no circuit to run.
    """

    def __init__(
        self,
        config: RunConfig,
        backend: ExpectationBackend | None = None,
        requester: Requester | None = None,
        make_rule: Callable[[Backend | None], GradientRule] | None = None,
    ) -> None:
        self.config = config
        self.device = parts.choose_torch_device(config.torch_device)
        self.bundle = parts.open_bundle(config.environment.bundle)
        self.environment = parts.make_environment(
            config.environment, self.bundle, self.device, config.state.features
        )
        self.statistics = StateStatistics.of(self.environment, self.bundle.card)
        self.cost_meter = CostMeter()
        self.updates = 0
        self.backend = _backend(config, backend, requester)
        scaler = self.statistics.scaler()
        rule = make_rule(self.backend) if make_rule else Frozen()
        self.actor: Actor = parts.make_actor(config, scaler, self.backend, rule)
        if isinstance(self.actor, RingActor):
            self.actor.recorder = self.cost_meter.record

    @classmethod
    def of(
        cls,
        run: RunDirectory,
        config: RunConfig | None = None,
        *,
        backend: ExpectationBackend | None = None,
        requester: Requester | None = None,
        go_on: bool = False,
    ) -> Player:
        """A run's player with its newest weights.

        Args:
            run: A trained run.
            config: Settings to play it under; by default those it was trained with.
            backend: As for `Player`.
            requester: As for `Player`.
            go_on: Draw shots from where training stopped, with the mitigation as it was then;
                without it the backend begins anew.

        Raises:
            CheckpointError: If there are no weights, or they do not fit the settings.
            ConfigError: If it was trained on a backend of one's own, and neither that backend nor
                other settings are given.
        """
        if config is None and backend is None:
            require_own_backend(run)
        require_own_circuit(run, backend)
        # Read first: a run without weights opens no device.
        checkpoint = run.latest_checkpoint()
        player = cls(config or run.config, backend, requester)
        player.take_weights(checkpoint)
        player.updates = checkpoint.update
        if go_on:
            player.restore_state(checkpoint.state)
        return player

    @property
    def paid_backend(self) -> DeviceBackend | None:
        """The backend, if what it is asked costs QPU time."""
        return self.backend if isinstance(self.backend, DeviceBackend) else None

    @property
    def shots(self) -> int | None:
        """Shots per circuit; None where the answer is exact or there is no circuit."""
        if self.paid_backend is not None:
            return self.paid_backend.shots
        return self.config.backend.shots if self.backend else None

    @property
    def mitigation(self) -> str:
        """Name of the error mitigation in use."""
        facts = self.backend.facts().mitigation if self.backend else None
        return facts.method if facts else "none"

    def take_weights(self, checkpoint: Checkpoint) -> None:
        """Take the actor's weights, and nothing else.

        Raises:
            CheckpointError: If they have other shapes.
        """
        restore_module(self.actor, "actor", checkpoint)

    def state(self) -> dict[str, Any]:
        """Where the backend's random numbers and the costs stand, as plain JSON."""
        return {
            "backend": self.backend.random_state() if self.backend else None,
            "costs": self.cost_meter.state(),
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        if self.backend is not None:
            self.backend.restore_random_state(state["backend"])
        self.cost_meter.restore(state.get("costs", {}))


@dataclass
class CostMeter:
    """Adds up what the backend was asked for, by phase."""

    costs: dict[str, Cost] = field(default_factory=dict)

    def record(self, phase: str, cost: Cost) -> None:
        """Add one evaluation."""
        self.costs[phase] = self.costs.get(phase, Cost()) + cost

    def state(self) -> dict[str, dict[str, float]]:
        """The sums so far, as plain JSON."""
        return {phase: asdict(cost) for phase, cost in self.costs.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Put the sums back."""
        self.costs = {phase: Cost(**cost) for phase, cost in state.items()}

    def take(self) -> dict[str, dict[str, float]]:
        """The sums since the last call, as plain JSON."""
        taken = self.state()
        self.costs = {}
        return taken


def _backend(
    config: RunConfig, own: ExpectationBackend | None, requester: Requester | None
) -> Backend | None:
    """The backend of a ring's circuit: one's own, or the configured one."""
    if config.actor.kind == "ring":
        circuit = parts.ring_circuit(config.actor.circuit)
        if own is not None:
            return parts.adopt(own, circuit)
        return parts.make_backend(config, circuit, requester)
    if own is not None:
        raise ConfigError(
            f"A backend was given, but the actor {config.actor.kind!r} runs no circuit.",
            "Leave the backend out, or take actor.kind = 'ring'.",
        )
    return None
