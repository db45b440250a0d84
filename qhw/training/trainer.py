"""One training run's parts and their state: roll out, update, and go on where it was left."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from diffusion.bundle import Bundle
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from policy import (
    Actor,
    Cost,
    Critic,
    ExpectationBackend,
    PpoConfig,
    RingActor,
    Rollout,
    ShotNoise,
    StateScaler,
    UpdateProgress,
    advice,
    shot_noise,
    update,
)
from policy.shot_noise import TOLERABLE
from qhw.backends.backend import Backend
from qhw.config import PpoSection, RunConfig
from qhw.devices.backend import DeviceBackend, Position
from qhw.devices.opening import Requester
from qhw.errors import CheckpointError, ConfigError
from qhw.runs.checkpoint import optimizer_tensors, pack, restore_optimizer
from qhw.runs.directory import Checkpoint
from qhw.threads import for_pictures
from qhw.training import parts as assembly
from qhw.training.in_progress import Collecting, Updating, prefixed, section
from qhw.training.streams import Streams, stream_seed

MEASURED_RULES = ("shift", "pruned", "spsa", "adjoint")
TRAINING = "training"
"""Stage of a checkpoint or journal that a training goes on from."""


class Trainer:
    """One run's parts and their state.

    Args:
        config: The run's settings.
        backend: Taken instead of the configured one.
        requester: Who asks for paid work; a fresh identity by default.

    Raises:
        ConfigError: If the given backend is of another circuit, or there is no circuit to run.
    """

    def __init__(
        self,
        config: RunConfig,
        backend: ExpectationBackend | None = None,
        requester: Requester | None = None,
    ) -> None:
        self.config = config
        self.device = assembly.choose_torch_device(config.torch_device)
        self.bundle: Bundle = assembly.open_bundle(config.environment.bundle)
        self.environment: GuidanceEnvironment = assembly.make_environment(
            config.environment, self.bundle, self.device
        )
        self.streams = Streams.from_seed(config.seed)
        self.meter = Meter()
        card = self.bundle.card
        scaler = StateScaler(card.state_mean, card.state_sd)
        self.backend: Backend | None = None
        if config.actor.kind == "ring":
            circuit = assembly.ring_circuit(config.actor.circuit)
            self.backend = (
                assembly.make_backend(config, circuit, requester)
                if backend is None
                else assembly.adopt(backend, circuit)
            )
        elif backend is not None:
            raise ConfigError(
                f"A backend was given, but the actor {config.actor.kind!r} runs no circuit.",
                "Leave the backend out, or take actor.kind = 'ring'.",
            )
        rule = assembly.make_rule(config.gradient, self.streams.gradients)
        self.actor: Actor = assembly.make_actor(config, scaler, self.backend, rule)
        if isinstance(self.actor, RingActor):
            self.actor.recorder = self.meter.record
            if config.gradient.rule == "frozen":
                self.actor.freeze_circuit()
        generator = torch.Generator().manual_seed(stream_seed(config.seed, "critic"))
        self.critic = Critic(scaler, generator)
        self.actor_optimizer = Adam(self._trained, lr=config.ppo.actor_rate)
        self.critic_optimizer = Adam(self.critic.parameters(), lr=config.ppo.critic_rate)
        self.done = 0
        self._collecting: Collecting | None = None
        self._updating: Updating | None = None

    @property
    def paid(self) -> DeviceBackend | None:
        """The backend, if what it is asked costs QPU time."""
        return self.backend if isinstance(self.backend, DeviceBackend) else None

    @property
    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.actor.parameters() if p.requires_grad]

    @property
    def rule_name(self) -> str:
        """The gradient rule of the circuit, or `backprop` for a classical actor."""
        return self.actor.rule.name if isinstance(self.actor, RingActor) else "backprop"

    def advance(self) -> dict[str, Any]:
        """Roll out, update once, and describe it; goes on in the middle if it was left there.

        Raises:
            RuntimeError: If the update did not move what it should have moved.
        """
        started = time.perf_counter()
        self._set_rates(self.config.ppo)
        if self._updating is None:
            with for_pictures():
                rollout = self.collect()
            before = [p.detach().clone() for p in self._trained]
            self._updating = Updating(rollout, before, self._shot_noise(rollout))
        updating = self._updating
        collected = time.perf_counter()
        diagnostics = update(
            self.actor,
            self.critic,
            self.actor_optimizer,
            self.critic_optimizer,
            updating.rollout,
            self.ppo_config,
            self.streams.minibatches,
            updating.progress,
            self._before_minibatch,
        )
        self._require_movement(updating.before)
        self.done += 1
        self._updating = None
        values = {**dataclasses.asdict(diagnostics), **action_statistics(updating.rollout)}
        seconds = {"rollout": collected - started, "update": time.perf_counter() - collected}
        return self._record(updating.rollout, values, updating.noise, seconds)

    def collect(self) -> Rollout:
        """Play one batch of whole episodes with fresh latents and drawn actions."""
        if self._collecting is None:
            self._collecting = Collecting(self._reset())
        collecting = self._collecting
        while collecting.step < self.environment.num_steps:
            self._stand_at("rollout", collecting.step)
            row, action = self._act(collecting.state)
            result = self.environment.step(action.to(self.device))
            done = torch.full_like(row["actions"], float(result.done))
            collecting.add({**row, "rewards": result.reward.cpu(), "dones": done})
            collecting.state = result.state.cpu()
        self._collecting = None
        return collecting.rollout()

    def _reset(self) -> Tensor:
        """Start the next batch of episodes; the first state (N, 6)."""
        count = self.config.ppo.environments
        first = self.done * count
        shape = self.bundle.denoiser.sample_shape
        seed = stream_seed(self.config.seed, "latents")
        latents = draw_latents(count, seed, shape, first).to(self.device)
        labels = draw_labels(count, self.bundle.denoiser.num_classes, first).to(self.device)
        return self.environment.reset(latents, labels).cpu()

    @torch.no_grad()
    def _act(self, state: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """What a step adds to the rollout before the environment answers, and the action (N,)."""
        measured: dict[str, Tensor] = {}
        if isinstance(self.actor, RingActor):
            features, errors = self.actor.measure(state)
            measured = {"features": features, "feature_errors": errors}
            distribution = self.actor.distribution_of(features)
        else:
            distribution = self.actor.distribution(state)
        noise = torch.randn(len(state), generator=self.streams.actions)
        action = distribution.mean + distribution.scale * noise
        row = {
            "states": state,
            "actions": action,
            "log_probs": distribution.log_prob(action),
            "values": self.critic(state),
        }
        return {**row, **measured}, action

    @property
    def ppo_config(self) -> PpoConfig:
        """The update's settings, with what paid work asks for."""
        base = ppo_config(self.config.ppo)
        reuse: Literal["never", "first pass", "always"] = "first pass" if self.paid else "never"
        if self.config.gradient.rule == "frozen":
            reuse = "always"
        return dataclasses.replace(
            base, reuse_features=reuse, entropy_into_circuit=self.paid is None
        )

    def _before_minibatch(self, progress: UpdateProgress) -> None:
        self._stand_at("gradient", len(progress.records))

    def _stand_at(self, phase: str, step: int) -> None:
        """Tell a paid backend where the run stands, and how to come back there."""
        if self.paid is not None:
            position = Position(phase, self.done + 1, step)
            self.paid.stand_at(position, pack(self.checkpoint()))

    def _shot_noise(self, rollout: Rollout) -> ShotNoise | None:
        """What shot noise does to this rollout; told by the head that drew the actions."""
        return shot_noise(self.actor, rollout) if isinstance(self.actor, RingActor) else None

    def _record(
        self,
        rollout: Rollout,
        values: dict[str, float],
        noise: ShotNoise | None,
        seconds: dict[str, float],
    ) -> dict[str, Any]:
        """One line of `metrics.jsonl`."""
        # Without a measured gradient its norm says nothing.
        silent = set() if self.rule_name in MEASURED_RULES else {"circuit_gradient_norm"}
        told = advice({name: value for name, value in values.items() if name not in silent})
        if noise is not None:
            values = {**values, **dataclasses.asdict(noise)}
            told += self._noise_advice(noise)
        return {
            "update": self.done,
            "transitions": self.done * rollout.size,
            "mean_return": float(rollout.returns.mean()),
            **values,
            "advice": told,
            "backend": self.config.backend.name if self.backend else None,
            "gradient_rule": self.rule_name,
            "features_reused": self.ppo_config.reuse_features,
            "shots": self.shots,
            "mitigation": self.mitigation,
            "drift": self._drift_notes(),
            "cost": self.meter.take(),
            "seconds": seconds,
        }

    def _drift_notes(self) -> list[str]:
        """What was said of recalibrations in this update."""
        notes = self.paid.drift.notes if self.paid else []
        return [note.text for note in notes if note.update == self.done]

    def _noise_advice(self, noise: ShotNoise) -> list[str]:
        if noise.mu_noise <= TOLERABLE or self.shots is None:
            return []
        return [
            f"mu_noise = {noise.mu_noise:.3g} sigma: actions tremble with the shots; "
            f"--shots {noise.shots_needed(self.shots)} would bring it to {TOLERABLE:g}"
        ]

    @property
    def shots(self) -> int | None:
        """Shots per circuit; None where the answer is exact or there is no circuit."""
        return self.paid.shots if self.paid else self.config.backend.shots if self.backend else None

    @property
    def mitigation(self) -> str:
        """Name of the error mitigation in use."""
        facts = self.backend.facts().mitigation if self.backend else None
        return facts.method if facts else "none"

    def checkpoint(self) -> Checkpoint:
        """Everything a later process needs to go on bit for bit."""
        tensors: dict[str, Tensor] = {}
        for name, module in (("actor", self.actor), ("critic", self.critic)):
            tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
        for name, optimizer in self._optimizers.items():
            tensors |= optimizer_tensors(name, optimizer)
        state: dict[str, Any] = {
            "stage": TRAINING,
            "streams": self.streams.state(),
            "backend": self.backend.random_state() if self.backend else None,
            "costs": self.meter.state(),
        }
        if self._collecting is not None:
            tensors |= prefixed(self._collecting.tensors(), "collecting")
            tensors |= prefixed(self.environment.tensors(), "environment")
        if self._updating is not None:
            tensors |= prefixed(self._updating.tensors(), "updating")
            state["updating"] = self._updating.state()
        return Checkpoint(self.done, {k: v.clone() for k, v in tensors.items()}, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a checkpoint's state.

        Raises:
            CheckpointError: If it was made with other shapes.
        """
        self.adopt(checkpoint)
        for name, optimizer in self._optimizers.items():
            restore_optimizer(optimizer, section(checkpoint.tensors, name))
        self.streams.restore(checkpoint.state["streams"])
        if self.backend is not None:
            self.backend.restore_random_state(checkpoint.state["backend"])
        self.meter.restore(checkpoint.state.get("costs", {}))
        self.done = checkpoint.update
        self._restore_stage(checkpoint)

    def adopt(self, checkpoint: Checkpoint) -> None:
        """Take the actor's and the critic's weights, and nothing else.

        Raises:
            CheckpointError: If they have other shapes.
        """
        try:
            for name, module in (("actor", self.actor), ("critic", self.critic)):
                module.load_state_dict(section(checkpoint.tensors, name))
        except RuntimeError as error:
            raise CheckpointError(
                f"The checkpoint does not fit the run's configuration: {error}",
                "Restore the config.toml it was trained with, or train anew.",
            ) from error

    def _restore_stage(self, checkpoint: Checkpoint) -> None:
        """Go on in the middle of a rollout or an update, where the checkpoint stands there."""
        self._collecting = self._updating = None
        if collecting := section(checkpoint.tensors, "collecting"):
            environment = section(checkpoint.tensors, "environment")
            self.environment.restore({k: t.to(self.device) for k, t in environment.items()})
            self._collecting = Collecting.restore(collecting)
        if updating := section(checkpoint.tensors, "updating"):
            self._updating = Updating.restore(updating, checkpoint.state["updating"])

    @property
    def _optimizers(self) -> dict[str, Optimizer]:
        return {
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }

    def _set_rates(self, ppo: PpoSection) -> None:
        """Let both rates fall linearly to `final_rate_fraction` over the run."""
        progress = self.done / max(1, ppo.updates - 1)
        factor = 1 - (1 - ppo.final_rate_fraction) * min(1.0, progress)
        for optimizer, rate in (
            (self.actor_optimizer, ppo.actor_rate),
            (self.critic_optimizer, ppo.critic_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def _require_movement(self, before: Sequence[Tensor]) -> None:
        named = [(name, p) for name, p in self.actor.named_parameters() if p.requires_grad]
        pairs = zip(named, before, strict=True)
        still = [name for (name, new), old in pairs if torch.equal(old, new)]
        if still and not (self._one_step_from_zero and len(still) < len(named)):
            raise RuntimeError(f"an update left {still} where they were: the gradient is cut off")

    @property
    def _one_step_from_zero(self) -> bool:
        """Whether the update took one step from a head whose last layer is zero.

        Nothing below that layer has a gradient in such a step.
        """
        ppo = self.config.ppo
        first = self.done == 0 and self.config.start_from is None
        return first and ppo.epochs * ppo.minibatches == 1


def ppo_config(ppo: PpoSection) -> PpoConfig:
    """The update's settings out of the configuration's."""
    return PpoConfig(
        epochs=ppo.epochs,
        minibatches=ppo.minibatches,
        gamma=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        clip=ppo.clip,
        entropy=ppo.entropy,
        value_coefficient=ppo.value_coefficient,
        max_gradient_norm=ppo.max_gradient_norm,
    )


def action_statistics(rollout: Rollout) -> dict[str, float]:
    """Mean |a|, its variance, and the share of steps at which the action changes its sign."""
    actions = rollout.actions
    changes = (actions[1:].sign() != actions[:-1].sign()).float().mean()
    return {
        "mean_abs_action": float(actions.abs().mean()),
        "action_variance": float(actions.var()),
        "sign_changes": float(changes),
    }


@dataclass
class Meter:
    """Adds up what the backend was asked for, by phase."""

    costs: dict[str, Cost] = field(default_factory=dict)

    def record(self, phase: str, cost: Cost) -> None:
        """Add one evaluation."""
        self.costs[phase] = self.costs.get(phase, Cost()) + cost

    def state(self) -> dict[str, dict[str, float]]:
        """The sums so far, as plain JSON."""
        return {phase: dataclasses.asdict(cost) for phase, cost in self.costs.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Put the sums back."""
        self.costs = {phase: Cost(**cost) for phase, cost in state.items()}

    def take(self) -> dict[str, dict[str, float]]:
        """The sums since the last call, as plain JSON."""
        taken = self.state()
        self.costs = {}
        return taken
