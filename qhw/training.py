"""Train a controller: roll out, update, record, save; then evaluate it on paired latents."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor
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
    StateScaler,
    advice,
    count_parameters,
    update,
)
from qhw import assembly
from qhw.backends.opening import Backend
from qhw.config import PpoSection, RunConfig
from qhw.errors import CheckpointError, ConfigError, QhwError
from qhw.runs import Checkpoint, RunDirectory, create_run
from qhw.seeding import Streams, stream_seed
from qhw.tables import from_here, print_facts
from qhw.threads import for_pictures, one_thread


@dataclass
class Meter:
    """Adds up what the backend was asked for, by phase."""

    costs: dict[str, Cost] = field(default_factory=dict)

    def record(self, phase: str, cost: Cost) -> None:
        """Add one evaluation."""
        self.costs[phase] = self.costs.get(phase, Cost()) + cost

    def take(self) -> dict[str, dict[str, float]]:
        """The sums since the last call, as plain JSON."""
        taken = {phase: dataclasses.asdict(cost) for phase, cost in self.costs.items()}
        self.costs = {}
        return taken


class Trainer:
    """One run's parts and their state.

    Args:
        config: The run's settings.
        backend: Taken instead of the configured one.

    Raises:
        ConfigError: If the given backend is of another circuit, or there is no circuit to run.
    """

    def __init__(self, config: RunConfig, backend: ExpectationBackend | None = None) -> None:
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
            seed = stream_seed(config.seed, "shots")
            self.backend = (
                assembly.make_backend(config.backend, circuit, seed)
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
        generator = torch.Generator().manual_seed(stream_seed(config.seed, "critic"))
        self.critic = Critic(scaler, generator)
        self.actor_optimizer = Adam(self.actor.parameters(), lr=config.ppo.actor_rate)
        self.critic_optimizer = Adam(self.critic.parameters(), lr=config.ppo.critic_rate)
        self.done = 0

    @property
    def rule_name(self) -> str:
        """The gradient rule of the circuit, or `backprop` for a classical actor."""
        return self.actor.rule.name if isinstance(self.actor, RingActor) else "backprop"

    def advance(self) -> dict[str, Any]:
        """Roll out, update once, and describe it.

        Raises:
            RuntimeError: If the update did not move what it should have moved.
        """
        started = time.perf_counter()
        section = self.config.ppo
        self._set_rates(section)
        with for_pictures():
            rollout = self.collect()
        collected = time.perf_counter()
        before = [p.detach().clone() for p in self.actor.parameters()]
        diagnostics = update(
            self.actor,
            self.critic,
            self.actor_optimizer,
            self.critic_optimizer,
            rollout,
            ppo_config(section),
            self.streams.minibatches,
        )
        self._require_movement(before)
        self.done += 1
        values = {**dataclasses.asdict(diagnostics), **action_statistics(rollout)}
        return {
            "update": self.done,
            "transitions": self.done * rollout.size,
            "mean_return": float(rollout.returns.mean()),
            **values,
            "advice": advice(values),
            "backend": self.config.backend.name if self.backend else None,
            "gradient_rule": self.rule_name,
            "cost": self.meter.take(),
            "seconds": {
                "rollout": collected - started,
                "update": time.perf_counter() - collected,
            },
        }

    def collect(self) -> Rollout:
        """Play one batch of whole episodes with fresh latents and drawn actions."""
        count = self.config.ppo.environments
        first = self.done * count
        shape = self.bundle.denoiser.sample_shape
        seed = stream_seed(self.config.seed, "latents")
        latents = draw_latents(count, seed, shape, first).to(self.device)
        labels = draw_labels(count, self.bundle.denoiser.num_classes, first).to(self.device)
        state = self.environment.reset(latents, labels).cpu()
        columns: dict[str, list[Tensor]] = {name: [] for name in _COLUMNS}
        for _ in range(self.environment.num_steps):
            with torch.no_grad():
                distribution = self.actor.distribution(state)
                noise = torch.randn(count, generator=self.streams.actions)
                action = distribution.mean + distribution.scale * noise
                value = self.critic(state)
                log_prob = distribution.log_prob(action)
            result = self.environment.step(action.to(self.device))
            done = torch.full((count,), float(result.done))
            row = (state, action, log_prob, value, result.reward.cpu(), done)
            for name, column in zip(_COLUMNS, row, strict=True):
                columns[name].append(column)
            state = result.state.cpu()
        return Rollout(**{name: torch.stack(column) for name, column in columns.items()})

    def checkpoint(self) -> Checkpoint:
        """Everything a later process needs to go on bit for bit."""
        tensors: dict[str, Tensor] = {}
        for name, module in (("actor", self.actor), ("critic", self.critic)):
            tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
        for name, optimizer in self._optimizers.items():
            tensors |= _optimizer_tensors(name, optimizer)
        backend_state = self.backend.random_state() if self.backend else None
        state = {"streams": self.streams.state(), "backend": backend_state}
        return Checkpoint(self.done, {k: v.clone() for k, v in tensors.items()}, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a checkpoint's state.

        Raises:
            CheckpointError: If it was made with other shapes.
        """
        try:
            for name, module in (("actor", self.actor), ("critic", self.critic)):
                module.load_state_dict(_section(checkpoint.tensors, name))
        except RuntimeError as error:
            raise CheckpointError(
                f"The checkpoint does not fit the run's configuration: {error}",
                "Restore the config.toml it was trained with, or train anew.",
            ) from error
        for name, optimizer in self._optimizers.items():
            _restore_optimizer(optimizer, _section(checkpoint.tensors, name))
        self.streams.restore(checkpoint.state["streams"])
        if self.backend is not None:
            self.backend.restore_random_state(checkpoint.state["backend"])
        self.done = checkpoint.update

    @property
    def _optimizers(self) -> dict[str, Optimizer]:
        return {
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }

    def _set_rates(self, section: PpoSection) -> None:
        """Let both rates fall linearly to `final_rate_fraction` over the run."""
        progress = self.done / max(1, section.updates - 1)
        factor = 1 - (1 - section.final_rate_fraction) * min(1.0, progress)
        for optimizer, rate in (
            (self.actor_optimizer, section.actor_rate),
            (self.critic_optimizer, section.critic_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def _require_movement(self, before: list[Tensor]) -> None:
        names = [name for name, _ in self.actor.named_parameters()]
        pairs = zip(names, before, self.actor.parameters(), strict=True)
        still = [name for name, old, new in pairs if torch.equal(old, new)]
        if still:
            raise RuntimeError(f"an update left {still} where they were: the gradient is cut off")


_COLUMNS = ("states", "actions", "log_probs", "values", "rewards", "dones")


def train(
    config: RunConfig,
    *,
    runs: Path = Path("runs"),
    name: str | None = None,
    backend: ExpectationBackend | None = None,
) -> RunDirectory:
    """Train a controller and evaluate it.

    Args:
        config: See `qhw.config.parse_config`.
        runs: Folder that holds the runs.
        name: Of the run's folder; date, actor and seed by default.
        backend: One of your own, instead of the configured one.

    Returns:
        The run: `config`, `metrics()`, `read_json("evaluation.json")`.

    Raises:
        QhwError: Its message says what to do.
    """
    run = create_run(runs, config, name)
    train_run(run, backend=backend)
    return run


@one_thread()
def train_run(
    run: RunDirectory, *, tensorboard: bool = False, backend: ExpectationBackend | None = None
) -> None:
    """Train to the end of the configuration, resuming where a checkpoint stands; then evaluate."""
    from qhw.evaluation import evaluate_run

    console = Console()
    try:
        trainer = open_trainer(run, backend)
    except QhwError:
        run.discard()
        raise
    if run.has_begun:
        trainer.restore(run.latest_checkpoint())
        run.truncate_metrics(trainer.done)
    else:
        run.begin(trainer.checkpoint(), describe(trainer))
    _announce(console, run, trainer)
    _loop(console, run, trainer, tensorboard)
    evaluate_run(run, trainer.config.evaluation.latents, backend=backend)


def open_trainer(run: RunDirectory, backend: ExpectationBackend | None = None) -> Trainer:
    """Build a run's trainer, with the backend the run was started with.

    Raises:
        ConfigError: If the run was trained on a backend of one's own, and none is given.
    """
    if backend is None and (run.path / "provenance.json").exists():
        described = run.read_json("provenance.json")["backend"] or {}
        if str(described.get("backend", "")).startswith("own: "):
            raise ConfigError(
                f"{run.name} was trained on a backend of one's own ({described['backend']}).",
                "Call `train_run(run, backend=...)` or `evaluate_run` from Python with it.",
            )
    return Trainer(run.config, backend)


def describe(trainer: Trainer) -> dict[str, Any]:
    """What a run is made with, for `provenance.json`."""
    return {
        "seed": trainer.config.seed,
        "settings": trainer.config.model_dump(mode="json"),
        "parameters": count_parameters(trainer.actor),
        "bundle": {"name": trainer.bundle.card.name, "digest": trainer.bundle.card.digest},
        "backend": dict(trainer.backend.describe()) if trainer.backend else None,
        "gradient_rule": trainer.rule_name,
        "torch_device": str(trainer.device),
        "torch_threads": torch.get_num_threads(),
    }


def ppo_config(section: PpoSection) -> PpoConfig:
    """The update's settings out of the configuration's."""
    return PpoConfig(
        epochs=section.epochs,
        minibatches=section.minibatches,
        gamma=section.gamma,
        gae_lambda=section.gae_lambda,
        clip=section.clip,
        entropy=section.entropy,
        value_coefficient=section.value_coefficient,
        max_gradient_norm=section.max_gradient_norm,
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


def _announce(console: Console, run: RunDirectory, trainer: Trainer) -> None:
    config = trainer.config
    section = config.ppo
    facts = trainer.backend.describe() if trainer.backend else {"backend": "none (classical actor)"}
    console.print(f"run: {from_here(run.path)}", soft_wrap=True)
    if trainer.backend is not None and trainer.backend.note:
        console.print(trainer.backend.note, style="yellow")
    print_facts(console, facts)
    console.print(
        f"{count_parameters(trainer.actor)} parameters, gradient rule {trainer.rule_name}, "
        f"{section.updates} updates x {section.environments} episodes x "
        f"{config.environment.steps} steps"
    )


def _loop(console: Console, run: RunDirectory, trainer: Trainer, tensorboard: bool) -> None:
    writer = _event_writer(run) if tensorboard else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        total = trainer.config.ppo.updates
        task = progress.add_task("training", total=total, completed=trainer.done)
        while trainer.done < total:
            record = trainer.advance()
            run.append_metrics(record)
            run.save_checkpoint(trainer.checkpoint())
            if writer is not None:
                _write_events(writer, record)
            for line in record["advice"]:
                console.print(f"update {record['update']}: {line}")
            label = f"update {record['update']}, return {record['mean_return']:.3f}"
            progress.update(task, completed=trainer.done, description=label)
    if writer is not None:
        writer.close()


def _event_writer(run: RunDirectory) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run.path / "events"))


def _write_events(writer: Any, record: dict[str, Any]) -> None:
    for name, value in record.items():
        if isinstance(value, float):
            writer.add_scalar(name, value, record["update"])


def _section(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer_tensors(name: str, optimizer: Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{name}/{index}.{key}": value
        for index, values in state.items()
        for key, value in values.items()
    }


def _restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
