"""What learns: a player's policy is rolled out, updated, and goes on where it was left."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Playing
from policy import (
    Actor,
    Critic,
    ExpectationBackend,
    ParameterShift,
    PpoConfig,
    PpoDiagnostics,
    RingActor,
    Rollout,
    ShotNoise,
    advice,
    compare_gradients,
    shot_noise,
    update,
)
from policy.known_features import Reuse
from policy.measurement_noise import TOLERABLE
from qhw.budget.planned_jobs import canary_updates
from qhw.config import PpoSection, RunConfig
from qhw.devices.backend import Position
from qhw.devices.opening import Requester
from qhw.devices.session import Display
from qhw.errors import DivergedError
from qhw.runs.checkpoint import (
    Checkpoint,
    optimizer_tensors,
    pack,
    prefixed,
    restore_module,
    restore_optimizer,
    section,
)
from qhw.runs.directory import RunDirectory
from qhw.threads import for_pictures
from qhw.training.canary import Canary
from qhw.training.in_progress import Updating, restore_rollout, rollout_of, rollout_tensors
from qhw.training.parts import make_rule, ppo_config
from qhw.training.player import Player
from qhw.training.reopening import requester_of, require_own_backend, require_own_circuit
from qhw.training.streams import Streams, stream_seed

TRAINING = "training"
"""Stage of a checkpoint or journal that a training goes on from."""


class Trainer:
    """A player, and all that teaches it: critic, optimisers, random streams.

    Args:
        config: The run's settings.
        backend: Taken instead of the configured one.
        requester: Who asks for paid work; a fresh identity by default.

    Attributes:
        player: Whose actor is trained.
        moved: Is told how far training has come, in updates; parts of one count.

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
        self.streams = Streams.from_seed(config.seed)
        rule = partial(make_rule, config, self.streams.gradients)
        self.player = Player(config, backend, requester, rule)
        if isinstance(self.actor, RingActor) and config.gradient.rule == "frozen":
            self.actor.freeze_circuit()
        generator = torch.Generator().manual_seed(stream_seed(config.seed, "critic"))
        self.critic = Critic(self.player.statistics.scaler(), generator)
        self.actor_optimizer = Adam(self._trained, lr=config.ppo.actor_rate)
        self.critic_optimizer = Adam(self.critic.parameters(), lr=config.ppo.critic_rate)
        self._playing: Playing | None = None
        self._updating: Updating | None = None
        self.moved: Callable[[float], None] = lambda _: None

    @classmethod
    def of(
        cls,
        run: RunDirectory,
        backend: ExpectationBackend | None = None,
        display: Display | None = None,
    ) -> Trainer:
        """A run's trainer as it began, with the backend it was started with.

        Args:
            run: Its folder.
            backend: The one of one's own that the run was started with, if it was.
            display: Shows what a device does; nothing is shown without it.

        Raises:
            ConfigError: If the run was trained on a backend of one's own, and none is given, or
                one of another circuit.
        """
        if backend is None:
            require_own_backend(run)
        require_own_circuit(run, backend)
        return cls(run.config, backend, requester_of(run, display))

    @property
    def actor(self) -> Actor:
        """The player's controller, which is trained."""
        return self.player.actor

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
            DivergedError: If the update ran away, or did not move what it should have moved.
        """
        started = time.perf_counter()
        self._set_rates(self.config.ppo)
        if self._updating is None:
            with for_pictures():
                rollout = self.collect()
            before = [p.detach().clone() for p in self._trained]
            # Told by the head that drew the actions, so before it is trained.
            noise = shot_noise(self.actor, rollout) if isinstance(self.actor, RingActor) else None
            self._updating = Updating(rollout, before, noise)
        updating = self._updating
        collected = time.perf_counter()
        canary = self._watch_gradient(updating.rollout)
        diagnostics = self._update(updating)
        self._require_numbers()
        self._require_movement(updating.before)
        self.player.updates += 1
        self._updating = None
        values = {**dataclasses.asdict(diagnostics), **action_statistics(updating.rollout)}
        seconds = {"rollout": collected - started, "update": time.perf_counter() - collected}
        return self._record(updating, values, seconds, canary)

    def _watch_gradient(self, rollout: Rollout) -> Canary | None:
        """Measure a few transitions' gradient where one is due, and do what is asked below the bar.

        Raises:
            CanaryError: If training is to stop there.
        """
        number, asked = self.player.updates + 1, self.config.gradient.canary
        fresh = self.config.start_from is None
        watched = canary_updates(asked.every, self.config.ppo.updates, fresh)
        if self.rule_name != "model" or number not in watched:
            return None
        assert isinstance(self.actor, RingActor)
        self._stand_at("canary", 0)
        found = compare_gradients(
            self.actor, rollout, self.ppo_config, asked.transitions, self.streams.gradients
        )
        if found is None:
            return None
        canary = Canary(found, asked)
        if canary.stops:
            raise canary.error(number)
        if canary.falls_back:
            self._measure_gradients()
        return canary

    def _measure_gradients(self) -> None:
        """Leave the model: gradients are measured from here on."""
        assert isinstance(self.actor, RingActor)
        self.actor.rule = ParameterShift()

    def _update(self, updating: Updating) -> PpoDiagnostics:
        try:
            return update(
                self.actor,
                self.critic,
                self.actor_optimizer,
                self.critic_optimizer,
                updating.rollout,
                self.ppo_config,
                self.streams.minibatches,
                updating.progress,
                lambda progress: self._stand_at("gradient", len(progress.records)),
            )
        except FloatingPointError as error:
            raise self._diverged(str(error)) from error

    def collect(self) -> Rollout:
        """Play one batch of whole episodes with fresh latents and drawn actions."""
        environment = self.player.environment
        playing = self._playing or Playing.start(environment, *self._next_episodes())
        self._playing = playing
        while not playing.done:
            self._stand_at("rollout", playing.step)
            action, beside = self._act(playing.state)
            last = float(playing.step + 1 == environment.num_steps)
            beside["dones"] = torch.full_like(action, last)
            playing.advance(action, **beside)
        self._playing = None
        return rollout_of(playing)

    def _next_episodes(self) -> tuple[Tensor, Tensor]:
        """Latents and labels of the next batch, as no batch before had them, one per group."""
        group = self.config.ppo.group_size
        count = self.config.ppo.environments // group
        first = self.player.updates * count
        denoiser = self.player.bundle.denoiser
        seed = stream_seed(self.config.seed, "latents")
        latents = draw_latents(count, seed, denoiser.sample_shape, first)
        labels = draw_labels(count, denoiser.num_classes, first)
        return latents.repeat_interleave(group, dim=0), labels.repeat_interleave(group)

    @torch.no_grad()
    def _act(self, state: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """A drawn action (N,), and what the rollout keeps beside it."""
        measured: dict[str, Tensor] = {}
        if isinstance(self.actor, RingActor):
            features, errors = self.actor.measure(state)
            measured = {"features": features, "feature_errors": errors}
            distribution = self.actor.distribution_of(features)
        else:
            distribution = self.actor.distribution(state)
        noise = torch.randn(len(state), generator=self.streams.actions)
        action = distribution.mean + distribution.scale * noise
        judged = {"log_probs": distribution.log_prob(action), "values": self.critic(state)}
        return action, {**judged, **measured}

    @property
    def ppo_config(self) -> PpoConfig:
        """The update's settings, with what paid work asks for."""
        paid = self.player.paid_backend is not None
        by_rule: dict[str, Reuse] = {"frozen": "always", "model": "carried"}
        reuse = by_rule.get(self.rule_name, "first pass" if paid else "never")
        free = not paid or self.rule_name == "model"
        base = ppo_config(self.config.ppo)
        return dataclasses.replace(base, reuse_features=reuse, entropy_into_circuit=free)

    def _stand_at(self, phase: str, step: int) -> None:
        """Tell where the run stands; a paid backend, how to come back there too."""
        steps, ppo = self.player.environment.num_steps, self.config.ppo
        done = step if phase == "rollout" else steps + step
        self.moved(self.player.updates + done / (steps + ppo.epochs * ppo.minibatches))
        if self.player.paid_backend is not None:
            position = Position(phase, self.player.updates + 1, step)
            self.player.paid_backend.stand_at(position, pack(self.checkpoint()))

    def _record(
        self,
        updating: Updating,
        values: dict[str, float],
        seconds: dict[str, float],
        canary: Canary | None,
    ) -> dict[str, Any]:
        """One line of `metrics.jsonl`."""
        rollout, noise = updating.rollout, updating.noise
        # Without a measured gradient its norm says nothing, nor does that of the first update: the
        # head begins at zero, so that its first step moves it alone.
        unmeasured = self.rule_name in ("frozen", "backprop") or self.player.updates == 1
        silent = {"circuit_gradient_norm"} if unmeasured else set()
        remarks = advice({name: value for name, value in values.items() if name not in silent})
        if noise is not None:
            values = {**values, **dataclasses.asdict(noise)}
            remarks += self._noise_advice(noise)
        if canary is not None:
            remarks.append(canary.told)
        player = self.player
        guidance = player.environment.guidance_of(rollout.actions)
        notes = player.paid_backend.drift.notes if player.paid_backend else []
        return {
            "update": player.updates,
            "transitions": player.updates * rollout.size,
            "mean_return": float(rollout.returns.mean()),
            **values,
            "guidance_by_step": [float(g) for g in guidance.mean(dim=1)],
            "advice": remarks,
            "backend": self.config.backend.name if player.backend else None,
            "gradient_rule": self.rule_name,
            **({"canary": dataclasses.asdict(canary.agreement)} if canary else {}),
            "features_reused": self.ppo_config.reuse_features,
            "shots": player.shots,
            "mitigation": player.mitigation,
            "drift": [note.text for note in notes if note.update == player.updates],
            "cost": player.cost_meter.take(),
            "seconds": seconds,
        }

    def _noise_advice(self, noise: ShotNoise) -> list[str]:
        if noise.mu_noise <= TOLERABLE or self.player.shots is None:
            return []
        return [
            f"mu_noise = {noise.mu_noise:.3g} sigma: actions tremble with the shots; "
            f"--shots {noise.shots_needed(self.player.shots)} would bring it to {TOLERABLE:g}"
        ]

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
            **self.player.state(),
        }
        if self.config.gradient.rule == "model" and self.rule_name == "shift":
            state["fallen_back"] = True
        if self._playing is not None:
            tensors |= rollout_tensors(self._playing)
        if self._updating is not None:
            tensors |= prefixed(self._updating.tensors(), "updating")
            state["updating"] = self._updating.state()
        return Checkpoint(self.player.updates, {k: v.clone() for k, v in tensors.items()}, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a checkpoint's state.

        Raises:
            CheckpointError: If it was made with other shapes.
        """
        self.take_weights(checkpoint)
        for name, optimizer in self._optimizers.items():
            restore_optimizer(optimizer, section(checkpoint.tensors, name))
        self.streams.restore(checkpoint.state["streams"])
        self.player.restore_state(checkpoint.state)
        self.player.updates = checkpoint.update
        if checkpoint.state.get("fallen_back"):
            self._measure_gradients()
        player, tensors = self.player, checkpoint.tensors
        self._playing = restore_rollout(player.environment, tensors)
        updating = section(tensors, "updating")
        self._updating = (
            Updating.restore(updating, checkpoint.state["updating"]) if updating else None
        )

    def take_weights(self, checkpoint: Checkpoint) -> None:
        """Take the actor's and the critic's weights, and nothing else.

        Raises:
            CheckpointError: If they have other shapes.
        """
        self.player.take_weights(checkpoint)
        restore_module(self.critic, "critic", checkpoint)

    @property
    def _optimizers(self) -> dict[str, Optimizer]:
        return {"actor_optimizer": self.actor_optimizer, "critic_optimizer": self.critic_optimizer}

    def _set_rates(self, ppo: PpoSection) -> None:
        """Let both rates fall linearly to `final_rate_fraction` over the run."""
        progress = self.player.updates / max(1, ppo.updates - 1)
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
        ppo = self.config.ppo
        # Nothing below a last layer of zeros has a gradient in the first step.
        first = self.player.updates == 0 and self.config.start_from is None
        one_step_from_zero = first and ppo.epochs * ppo.minibatches == 1
        if still and not (one_step_from_zero and len(still) < len(named)):
            raise self._diverged(f"{', '.join(still)} did not move: the gradient is cut off")

    def _require_numbers(self) -> None:
        modules = {"actor": self.actor, "critic": self.critic}
        for name, module in modules.items():
            if not all(torch.isfinite(p).all() for p in module.parameters()):
                raise self._diverged(f"weights of the {name} are no numbers any more")

    def _diverged(self, told: str) -> DivergedError:
        ppo = self.config.ppo
        return DivergedError(
            f"Update {self.player.updates + 1} ran away: {told} (ppo.actor_rate = "
            f"{ppo.actor_rate:g}, ppo.critic_rate = {ppo.critic_rate:g}).",
            "Begin anew with lower learning rates in [ppo] of a --config file.",
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
