"""Train a controller: roll out, update, record, save; then evaluate it on paired latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from diffusion.discriminator import discriminator_digest
from policy import ExpectationBackend, count_parameters
from qhw.backends.facts import NO_BACKEND
from qhw.backends.mitigation.zne import NO_GRADIENTS
from qhw.budget.planning import refuse_endless_jobs
from qhw.commands.evaluate import evaluate_under_lock, print_finished
from qhw.commands.plot import draw_training
from qhw.config import RunConfig, dotted
from qhw.console.output import terminal
from qhw.console.tables import from_here, print_facts
from qhw.devices.session import Display, paid_session
from qhw.errors import MitigationError, QhwError
from qhw.runs.checkpoint import unpack
from qhw.runs.directory import RunDirectory, create_run, open_run
from qhw.runs.lock import sole_use
from qhw.runs.status import failure_kept, is_finished
from qhw.threads import one_thread
from qhw.training.idle import refuse_idle, remarks
from qhw.training.player import Player
from qhw.training.reopening import require_fitting_weights, require_ledger
from qhw.training.tracking import Tracker, open_tracker
from qhw.training.trainer import TRAINING, Trainer


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
        name: Name of the run's folder; date, actor and seed by default.
        backend: One of your own, instead of the configured one.

    Returns:
        The run: `config`, `metrics()`, `evaluation`.

    Raises:
        QhwError: Its message says what to do.
    """
    run = new_run(runs, config, name)
    train_run(run, backend=backend)
    return run


def new_run(runs: Path, config: RunConfig, name: str | None = None) -> RunDirectory:
    """Make a run's folder, once nothing it was given is idle.

    Raises:
        ConfigError: If a setting would do nothing, or the weights to start from do not fit.
        UnknownNameError: If the name is taken, or there is no such bundle.
    """
    refuse_idle(config)
    require_fitting_weights(config)
    return create_run(runs, config, name)


@one_thread()
def train_run(
    run: RunDirectory,
    *,
    track: Sequence[str] = (),
    backend: ExpectationBackend | None = None,
) -> None:
    """Train to the end of the configuration, resuming where the run stands; then evaluate.

    Args:
        run: A new run, or one that was stopped.
        track: Names of trackers that get the numbers of every update, such as `tensorboard`.
        backend: One of your own, instead of the configured one.

    Raises:
        QhwError: Its message says what to do; what was paid for is kept.
    """
    console = terminal()
    display = Display(console)
    with sole_use(run.path), failure_kept(run):
        if is_finished(run):
            print_finished(run)
            return
        try:
            refuse_for_gradients(run.config)
            refuse_endless_jobs(run.config)
            trainer = Trainer.of(run, backend, display)
        except QhwError:
            run.discard()  # what cannot begin leaves nothing behind
            raise
        with paid_session(console, trainer.player.paid_backend, run.path):
            _take_up(run, trainer)
            told = _announce(console, run, trainer)
            with _tracking(run, track) as trackers:
                _loop(console, run, trainer, trackers, display)
        latents = run.config.evaluation.latents
        del trainer, trackers  # a large model may not fit beside the one that is opened to evaluate
        evaluate_under_lock(run, latents, backend=backend, told=told)
        run.point_latest_here()
        picture, *_ = draw_training(run)
        console.print(f"learning curve: {from_here(picture)}", soft_wrap=True)


def _take_up(run: RunDirectory, trainer: Trainer) -> None:
    """Begin the run, or go on from its newest checkpoint, or from the ledger's later journal."""
    player = trainer.player
    if not run.has_begun:
        source = trainer.config.start_from
        if source is not None:
            trainer.take_weights(open_run(Path(source)).latest_checkpoint())
        if player.paid_backend is not None:
            player.paid_backend.prepare()
        run.begin(trainer.checkpoint(), describe(trainer))
        return
    trainer.restore(run.latest_checkpoint())
    require_ledger(run, player.paid_backend, player.updates)
    content = player.paid_backend.latest_journal() if player.paid_backend else None
    journal = unpack(content) if content else None
    if journal and journal.state["stage"] == TRAINING and journal.update == player.updates:
        trainer.restore(journal)
    run.truncate_metrics(player.updates)


def describe(trainer: Trainer) -> dict[str, Any]:
    """What a run is made with, for `provenance.json`."""
    player, card = trainer.player, trainer.player.bundle.card
    return {
        "seed": trainer.config.seed,
        "settings": trainer.config.model_dump(mode="json"),
        "parameters": count_parameters(trainer.actor),
        "bundle": {"name": card.name, "digest": card.digest, **_judged_by(player)},
        "backend": player.backend.facts().words() if player.backend else None,
        "gradient_rule": trainer.rule_name,
        "start_from": trainer.config.start_from,
        "remarks": remarks(player),
        "torch_device": str(player.device),
        "precision": player.bundle.denoiser.precision,
        "torch_threads": torch.get_num_threads(),
    }


def _judged_by(player: Player) -> dict[str, str]:
    """The discriminator, where realism has a price: the card does not name it."""
    if not player.environment.reward.needs_discriminator:
        return {}
    return {"discriminator": discriminator_digest(player.bundle)}


def _announce(console: Console, run: RunDirectory, trainer: Trainer) -> dict[str, Any]:
    """Tell what is trained on what, and give the facts that were told."""
    config, backend = trainer.config, trainer.player.backend
    facts = backend.facts().words() if backend else NO_BACKEND
    console.print(f"run: {from_here(run.path)}", soft_wrap=True)
    if backend is not None and backend.warning:
        console.print(backend.warning, style="yellow")
    print_facts(console, facts)
    for line in remarks(trainer.player):
        console.print(line, style="yellow")
    parameters = count_parameters(trainer.actor)
    console.print(
        f"{parameters} parameters, gradient rule {trainer.rule_name}, "
        f"{config.ppo.updates} updates x {config.ppo.environments} episodes x "
        f"{config.environment.steps} steps"
    )
    precision = trainer.player.bundle.denoiser.precision
    begun_in = run.read_json("provenance.json").get("precision", precision)
    if precision != begun_in:
        said = f"pictures were made in {begun_in} where the run began, here they are in {precision}"
        console.print(said, style="yellow")
    elif precision != "fp32":
        console.print(f"pictures are made in {precision}")
    made = {"parameters": parameters, "gradient rule": trainer.rule_name, "precision": precision}
    return {**facts, **made, "updates": config.ppo.updates}


def _loop(
    console: Console,
    run: RunDirectory,
    trainer: Trainer,
    trackers: Sequence[Tracker],
    display: Display,
) -> None:
    total = trainer.config.ppo.updates
    with display.work("training", total, trainer.player.updates) as bar:
        trainer.moved = bar.at
        while trainer.player.updates < total:
            record = trainer.advance()
            run.append_metrics(record)
            run.save_checkpoint(trainer.checkpoint())
            numbers = {name: value for name, value in record.items() if isinstance(value, float)}
            for tracker in trackers:
                tracker.log(record["update"], numbers)
            for line in record["advice"]:
                console.print(f"update {record['update']}: {line}")
            bar.say(f"update {record['update']} of {total}, return {record['mean_return']:.3f}")
            bar.at(trainer.player.updates)


@contextmanager
def _tracking(run: RunDirectory, names: Sequence[str]) -> Iterator[list[Tracker]]:
    """The trackers of these names, closed however the training ends."""
    with ExitStack() as stack:
        settings = dotted(run.config.model_dump(mode="json"))
        trackers = []
        for name in names:
            trackers.append(open_tracker(name, run.path, settings))
            stack.callback(trackers[-1].close)
        yield trackers


def refuse_for_gradients(config: RunConfig) -> None:
    """Refuse to train through zero-noise extrapolation; using it to deploy a policy is fine.

    Raises:
        MitigationError: With the reason.
    """
    differentiated = config.actor.kind == "ring" and config.gradient.rule != "frozen"
    if not differentiated or config.backend.mitigation != "zne":
        return
    raise MitigationError(
        f"--mitigation zne with the gradient rule {config.gradient.rule!r}: {NO_GRADIENTS}",
        "Take --mitigation affine or readout, or --gradient frozen; `qhw run` may use zne.",
    )
