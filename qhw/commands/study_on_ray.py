"""`qhw study --executor ray`: trainings on the machines of a cluster, their runs brought back."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qhw
from qhw.cluster.giving_out import do_all
from qhw.cluster.packing import packed, unpack
from qhw.cluster.ray_cluster import ray_cluster
from qhw.cluster.results import Results
from qhw.cluster.tasks import GIB, Ended, Needs, Progress, Work
from qhw.commands.sweep import LOG
from qhw.commands.train import train_run
from qhw.config import RunConfig, parse_config
from qhw.console.output import Output, speak, terminal
from qhw.console.progress import Bar, long_work
from qhw.console.tables import from_here
from qhw.errors import BundleError, ConfigError, InstallationError, OutputError, QhwError
from qhw.files import make_folder
from qhw.runs.directory import create_run, is_run, open_run
from qhw.runs.lock import sole_use
from qhw.runs.status import Status, status_of
from qhw.studies.trained.circuit_error import circuit_error
from qhw.studies.trained.outcomes import outcome_of, require_same_bundle
from qhw.studies.trained.task import DIGITS, Task
from qhw.training.parts import open_card

RESULTS = "results"
"""Below a folder of studies, where no place is named."""
MEMORY = int(1.5 * GIB)
"""Of a training on an embedded bundle, with room to spare."""
CARDS = "CUDA_VISIBLE_DEVICES"
"""Which GPUs a process sees."""
DRIVER_LOCK = "cluster-lock"
"""In the folder of runs: one study at a time brings runs there."""


@dataclass(frozen=True)
class Cluster:
    """Where trainings are done.

    Attributes:
        address: Of Ray's head; None starts one on this machine.
        results: Folder that all machines see, or URL; None is a folder beside the runs.
        cores: Of a cluster on this machine; None is all.
        tries: How often a training is begun at most.
    """

    address: str | None = None
    results: str | None = None
    cores: int | None = None
    tries: int = 3

    def results_beside(self, runs: Path) -> Results:
        """Where machines leave trained runs.

        Raises:
            QhwError: If there is no such kind of place.
        """
        return Results.seen_by_all(self.results or str(runs.parent / RESULTS))


def cluster_of(
    executor: str, address: str | None, results: str | None, cores: int | None, tries: int | None
) -> Cluster | None:
    """What was typed about a cluster; None is this machine without one.

    Raises:
        ConfigError: If something was typed that nothing would heed.
    """
    if executor == "ray":
        if address is not None and cores is not None:
            raise ConfigError(
                f"--workers {cores}: the cluster at {address} has as many as it has.",
                "Leave out --workers, or --address.",
            )
        return Cluster(address, results, cores, tries or Cluster.tries)
    stray = {"--address": address, "--results": results, "--tries": tries}
    typed = [f"{name} {value}" for name, value in stray.items() if value is not None]
    if typed:
        raise ConfigError(f"{', '.join(typed)}: there is no cluster.", "Add --executor ray.")
    return None


@dataclass(frozen=True)
class Training:
    """A training as it is sent to another machine.

    Attributes:
        name: Of its run.
        settings: Its own.
        played: Settings that it plays under, where they are others.
        latents: That it plays.
        model: Digest of the model's card where the study was begun.
        results: Where the run is brought.
        folder: From which relative paths are meant.
        command: That began the study.
        version: Of the program that sent it.
    """

    name: str
    settings: dict[str, Any]
    played: tuple[dict[str, Any] | None, ...]
    latents: int
    model: str
    results: Results
    folder: str
    command: tuple[str, ...]
    version: str

    @property
    def result(self) -> str:
        """Name of its result: of its settings, its seed and its model."""
        return f"{self.name}-{self.model[:DIGITS]}"


def train_on_ray(
    tasks: Sequence[Task], latents: int, runs: Path, cluster: Cluster
) -> dict[str, str]:
    """Do trainings that have no finished run on a cluster, and bring their runs back.

    A training that has its result there is brought back and not done again, whoever did it. A run
    that was begun here stays as it is.

    Args:
        tasks: Those without a finished run.
        latents: That every controller plays.
        runs: Folder of the runs.
        cluster: Where they are done.

    Returns:
        Why trainings are not done, by their names.

    Raises:
        QhwError: If the cluster or the results cannot be reached, or another study brings runs
            there.
    """
    results = cluster.results_beside(runs)
    trainings = trainings_of(tasks, latents, results)
    make_folder(runs)
    with sole_use(runs, DRIVER_LOCK):
        missing = {name: why for name in trainings if (why := _begun_here(runs / name))}
        free = [each for name, each in trainings.items() if name not in missing]
        there = [each for each in free if results.holds(each.result)]
        for each in there:
            missing |= bring(each, runs)
        left = {each.name: each for each in free if each not in there}
        if left:
            work = Work(do_training, left, needs_of(tasks[0].config), cluster.tries)
            missing |= _do(work, runs, cluster)
        return missing


def trainings_of(tasks: Sequence[Task], latents: int, results: Results) -> dict[str, Training]:
    """What is sent: one training for all arms that share it."""
    played: dict[str, list[dict[str, Any] | None]] = {}
    for task in tasks:
        played.setdefault(task.name, []).append(_plain(task.played) if task.played else None)
    bundles = {task.config.environment.bundle for task in tasks}
    digests = {bundle: open_card(bundle).digest for bundle in bundles}
    return {
        task.name: Training(
            task.name,
            _plain(task.config),
            tuple(played[task.name]),
            latents,
            digests[task.config.environment.bundle],
            results,
            str(Path.cwd()),
            ("qhw", *sys.argv[1:]),
            qhw.__version__,
        )
        for task in tasks
    }


def results_there(tasks: Sequence[Task], results: Results) -> set[str]:
    """Names of trainings that have their result already."""
    sent = trainings_of(tasks, 0, results)
    return {name for name, each in sent.items() if results.holds(each.result)}


def needs_of(config: RunConfig) -> Needs:
    """What a training must find on a machine."""
    return Needs(cores=1, memory=MEMORY, gpus=int(config.torch_device == "cuda"))


def do_training(training: Training) -> None:
    """On a machine of the cluster: train to the end, play, and keep the run as the result.

    Raises:
        QhwError: Its message says what is wrong there.
    """
    if training.version != qhw.__version__:
        raise InstallationError(
            f"A machine has qhw {qhw.__version__}, the study was begun by {training.version}.",
            "Install the same on all machines.",
        )
    if training.results.holds(training.result):
        return
    config = parse_config(training.settings)
    speak(Output(quiet=True))
    with (
        TemporaryDirectory(prefix="qhw-") as scratch,
        _as_the_driver(training, gpus=needs_of(config).gpus),
    ):
        _require_same_model(training, config)
        run = create_run(Path(scratch), config, training.name)
        with _said_to(run.path / LOG):
            train_run(run)
            for settings in training.played:
                played = parse_config(settings) if settings else None
                outcome_of(run, training.latents, played)
                circuit_error(run, training.latents, played)
        training.results.keep(training.result, packed(run.path))


def _require_same_model(training: Training, config: RunConfig) -> None:
    """Refuse a machine where a model's name stands for another one.

    Raises:
        BundleError: If its card is another.
    """
    named = config.environment.bundle
    here = open_card(named).digest
    if here != training.model:
        raise BundleError(
            f"On a machine the bundle {named!r} is {here}, where the study was begun it is "
            f"{training.model}.",
            "Put the same bundle on all machines, under the same path.",
        )


def _do(work: Work, runs: Path, cluster: Cluster) -> dict[str, str]:
    """Do the trainings; why some of them are not done, by name."""
    missing: dict[str, str] = {}
    with (
        ray_cluster(cluster.address, cluster.cores),
        long_work(terminal(), "study", len(work.tasks)) as bar,
    ):
        for ended in do_all(work, lambda progress: _tell(bar, progress)):
            missing |= take(ended, work.tasks[ended.name], runs)
    return missing


def _tell(bar: Bar, progress: Progress) -> None:
    bar.at(progress.done + progress.failed)
    bar.say(f"study: {progress}")


def take(ended: Ended, training: Training, runs: Path) -> dict[str, str]:
    """Bring an ended training's run; returns as `bring`, and keeps why a training failed."""
    results, error = training.results, ended.error
    if error is None:
        try:
            if results.holds(training.result):
                return bring(training, runs)
            error = f"its result is not in {results.url}. Do all machines see that folder?"
        except OutputError as refused:
            error = f"{refused.message} {refused.hint}"
    return {training.name: f"{error} {_recorded(training, error, ended.trace)}".strip()}


def _recorded(training: Training, error: str, trace: str) -> str:
    """Keep why a training failed beside the results; where more of it stands, or why nowhere."""
    try:
        training.results.fail(training.result, error, trace)
    except OutputError as refused:
        return f"That could not be recorded: {refused.message}"
    return f"Where: {training.results.where_failed(training.result)}." if trace else ""


def bring(training: Training, runs: Path) -> dict[str, str]:
    """Make a training's result the run that a training here would have left.

    Returns:
        Why there is none, by the training's name; empty where there is one.
    """
    if is_run(runs / training.name):
        why = _begun_here(runs / training.name)
        return {training.name: why} if why else {}
    results, name = training.results, training.result
    try:
        unpack(results.read(name), runs / training.name, results.where(name))
        require_same_bundle(open_run(runs / training.name))
    except QhwError as error:
        return {training.name: f"{error.message} {error.hint}"}
    return {}


def _begun_here(folder: Path) -> str | None:
    """Why a run's folder is not written over, if there is a run in it."""
    if not is_run(folder):
        return None
    run = open_run(folder)
    if status_of(run) is Status.FINISHED:
        return None
    shown = from_here(folder)
    return f"{shown} was begun here. `qhw train --resume {shown}` ends it, or remove it."


@contextlib.contextmanager
def _said_to(path: Path) -> Iterator[None]:
    """Let a file take what is printed."""
    with (
        path.open("a", encoding="utf-8") as log,
        contextlib.redirect_stderr(log),
        contextlib.redirect_stdout(log),
    ):
        yield


@contextlib.contextmanager
def _as_the_driver(training: Training, *, gpus: int) -> Iterator[None]:
    """Be where the study was begun, by its command, with the GPUs that were asked for.

    Where the driver's folder cannot be entered, relative paths are of no use: a model's is then not
    found.
    """
    typed, seen = sys.argv, os.environ.get(CARDS)
    # Ray gives its own processes arguments that are nobody's business in a run's provenance.
    sys.argv = [*training.command]
    if not gpus:
        os.environ[CARDS] = ""  # a card that was not asked for is another's
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(contextlib.chdir(training.folder))
            yield
    finally:
        sys.argv = typed
        os.environ.pop(CARDS, None)
        os.environ |= {} if seen is None else {CARDS: seen}


def _plain(config: RunConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude_unset=True)
