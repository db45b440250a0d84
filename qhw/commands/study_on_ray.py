"""`qhw study --executor ray`: trainings on the machines of a cluster, their runs brought back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qhw
from qhw.cluster.packing import packed, unpack
from qhw.cluster.ray_cluster import do_all, ray_cluster
from qhw.cluster.results import Results
from qhw.cluster.tasks import GIB, Needs, Progress, Work
from qhw.commands.sweep import LOG
from qhw.commands.train import train_run
from qhw.config import RunConfig, parse_config
from qhw.console.output import Output, speak, terminal
from qhw.console.progress import long_work
from qhw.errors import BusyError, ConfigError, InstallationError
from qhw.runs.directory import RunDirectory, create_run, open_run
from qhw.runs.lock import in_use
from qhw.studies.trained.outcomes import outcome_of
from qhw.studies.trained.task import Task

RESULTS = "results"
"""Below a folder of studies, where no place is named."""
MEMORY = int(1.5 * GIB)
"""Of a training on an embedded bundle, with room to spare."""


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
        name: Of its run and its result.
        settings: Its own.
        played: Settings that it plays under, where they are others.
        latents: That it plays.
        results: Where the run is brought.
        folder: From which relative paths are meant.
        version: Of the program that sent it.
    """

    name: str
    settings: dict[str, Any]
    played: tuple[dict[str, Any] | None, ...]
    latents: int
    results: Results
    folder: str
    version: str


def train_on_ray(
    tasks: Sequence[Task], latents: int, runs: Path, cluster: Cluster
) -> Mapping[str, str]:
    """Do trainings that have no finished run on a cluster, and bring their runs back.

    A training that has its result there is brought back and not done again, whoever did it.

    Args:
        tasks: Those without a finished run.
        latents: That every controller plays.
        runs: Folder of the runs.
        cluster: Where they are done.

    Returns:
        Why trainings failed, by their names.

    Raises:
        QhwError: If the cluster or the results cannot be reached, or a run is in use.
    """
    results = Results(cluster.results or str((runs.parent / RESULTS).absolute()))
    trainings = trainings_of(tasks, latents, results)
    for name in trainings:
        _require_unused(runs / name)
    left = {name: each for name, each in trainings.items() if not results.holds(name)}
    for name in trainings.keys() - left.keys():
        _bring(name, results, runs)
    return _do(left, len(trainings), results, runs, cluster) if left else {}


def trainings_of(tasks: Sequence[Task], latents: int, results: Results) -> dict[str, Training]:
    """What is sent: one training for all arms that share it."""
    played: dict[str, list[dict[str, Any] | None]] = {}
    for task in tasks:
        played.setdefault(task.name, []).append(_plain(task.played) if task.played else None)
    return {
        task.name: Training(
            task.name,
            _plain(task.config),
            tuple(played[task.name]),
            latents,
            results,
            str(Path.cwd()),
            qhw.__version__,
        )
        for task in tasks
    }


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
            f"This machine has qhw {qhw.__version__}, the study was begun by {training.version}.",
            "Install the same on all machines.",
        )
    if training.results.holds(training.name):
        return
    speak(Output(quiet=True))
    with TemporaryDirectory(prefix="qhw-") as scratch, _from(training.folder):
        run = create_run(Path(scratch), parse_config(training.settings), training.name)
        with _said_to(run.path / LOG):
            train_run(run)
            for settings in training.played:
                outcome_of(run, training.latents, parse_config(settings) if settings else None)
        training.results.keep(training.name, packed(run.path))


def _do(
    left: Mapping[str, Training], total: int, results: Results, runs: Path, cluster: Cluster
) -> dict[str, str]:
    """Send what is left; why some of it failed, by name."""
    failed: dict[str, str] = {}
    before = total - len(left)
    needs = needs_of(parse_config(next(iter(left.values())).settings))
    work = Work(do_training, left, needs, cluster.tries)
    with (
        ray_cluster(cluster.address, cluster.cores),
        long_work(terminal(), "study", total, before) as bar,
    ):

        def tell(progress: Progress) -> None:
            bar.at(before + progress.done + progress.failed)
            bar.say(f"study: {progress}")

        for ended in do_all(work, tell):
            error = ended.error
            if error is None and not results.holds(ended.name):
                error = f"its result is not in {results.url}: do all machines see that folder?"
            if error is None:
                _bring(ended.name, results, runs)
            else:
                results.fail(ended.name, error)
                failed[ended.name] = error
    return failed


def _bring(name: str, results: Results, runs: Path) -> RunDirectory:
    """Make a result the run that a training here would have left."""
    unpack(results.read(name), runs / name)
    return open_run(runs / name)


def _require_unused(folder: Path) -> None:
    """Refuse to replace a run that is being trained here; one that was left is begun anew there.

    Raises:
        BusyError: If a process is at work in it.
    """
    if folder.exists() and in_use(folder):
        raise BusyError(
            f"Another process trains {folder.name} here.",
            "Wait until it ends, or stop it, then type the same command again.",
        )


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
def _from(folder: str) -> Iterator[None]:
    """Where the driver's folder is seen, take relative paths from there, as the driver does."""
    if not Path(folder).is_dir():
        yield
        return
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _plain(config: RunConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude_unset=True)
