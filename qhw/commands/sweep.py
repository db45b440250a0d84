"""`qhw sweep`: ordinary runs over a grid of settings and seeds, one on every core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console

from qhw.commands.runs import ListedRun, Listing
from qhw.commands.sweep_summary import print_summary, summary
from qhw.commands.train import refuse_for_gradients
from qhw.config import RunConfig
from qhw.console.output import show, terminal
from qhw.console.progress import Bar, long_work
from qhw.console.tables import from_here
from qhw.errors import ConfigError, SweepError
from qhw.runs.directory import RunDirectory, checked_name, create_run, open_run
from qhw.runs.status import Status, status_of
from qhw.training.idle import refuse_idle

LOG = "log.txt"
"""What a run printed, in its folder."""
MAXIMUM_NAME = 200
"""Letters of a run's name; file systems take 255 bytes."""


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sweep(configs: dict[str, RunConfig], root: Path, workers: int | None = None) -> None:
    """Train the runs that are not finished, then print what all of them came to.

    Args:
        configs: Settings by the runs' names.
        root: Folder that holds the runs.
        workers: Runs at once; as many as there are cores by default.

    Raises:
        ConfigError: If a run of that name has other settings, or work would be paid for.
        SweepError: If runs failed; the others are finished.
    """
    workers = workers or cores()
    runs = _opened(configs, root)
    unfinished = [run for run in runs if status_of(run) is not Status.FINISHED]
    terminal().print(
        f"{len(runs)} runs in {from_here(root)}, {len(runs) - len(unfinished)} of them finished; "
        f"{workers} at once"
    )
    with long_work(terminal(), "sweep", len(runs), len(runs) - len(unfinished)) as bar:
        failed = _train(unfinished, workers, bar, len(runs))
    listed = Listing([ListedRun.of(run) for run in runs])
    summaries = summary(listed.runs)

    def print_it(console: Console) -> None:
        console.print(listed.table)
        print_summary(console, summaries)

    show({"runs": listed.records, "settings": summaries}, print_it)
    if failed:
        logs = " ".join(str(from_here(run.path / LOG)) for run in failed)
        raise SweepError(
            f"{len(failed)} of {len(runs)} runs failed: {', '.join(run.name for run in failed)}.",
            f"What they said: {logs}. The same command goes on with them.",
        )


def _opened(configs: dict[str, RunConfig], root: Path) -> list[RunDirectory]:
    """The runs' folders; nothing is made unless all of them can be."""
    for name, config in configs.items():
        _refuse(checked_name(name), config, root)
    return [
        open_run(root / name) if (root / name).is_dir() else create_run(root, config, name)
        for name, config in configs.items()
    ]


def _refuse(name: str, config: RunConfig, root: Path) -> None:
    if len(name) > MAXIMUM_NAME:
        raise ConfigError(
            f"{name!r} is too long for a run's name.",
            "Vary fewer settings, or take a file for what stays the same: --config.",
        )
    if config.backend.takes_jobs:
        raise ConfigError(
            f"A sweep on {config.backend.name!r} would send jobs from several runs at once.",
            "Sweep on a simulator; train runs on a device one by one: `qhw train --backend "
            f"{config.backend.name}`.",
        )
    refuse_idle(config)
    refuse_for_gradients(config)
    there = (root / name).is_dir()
    if there and open_run(root / name).config.model_dump() != config.model_dump():
        raise ConfigError(
            f"There is already a run {name!r} with other settings.",
            "Take another --name for this sweep.",
        )


def _train(runs: Sequence[RunDirectory], workers: int, bar: Bar, total: int) -> list[RunDirectory]:
    """Train them, each in a process of its own; those that failed."""
    done, failed = total - len(runs), []
    with ThreadPoolExecutor(workers) as pool, _Processes() as processes:
        waiting: dict[Future[int], RunDirectory] = {
            pool.submit(processes.train, run): run for run in runs
        }
        for ended in as_completed(waiting):
            done += 1
            if ended.result() != 0:
                failed.append(waiting[ended])
            bar.at(done)
            bar.say(f"sweep: {done} of {total} runs, {len(failed)} failed")
    return [run for run in runs if run in failed]


class _Processes:
    """The trainings under way; none outlives this one."""

    def __init__(self) -> None:
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *reason: object) -> None:
        self._stopped = True
        for process in [*self._alive]:
            process.terminate()

    def train(self, run: RunDirectory) -> int:
        """Train a run to its end and give its exit status."""
        if self._stopped:
            return 130
        command = [sys.executable, "-m", "qhw", "train", "--resume", str(run.path), "--quiet"]
        with (run.path / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own command
                command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            self._alive.add(process)
            try:
                return process.wait()
            finally:
                self._alive.discard(process)
