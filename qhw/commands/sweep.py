"""`qhw sweep`: ordinary runs over a grid of settings and seeds, one on every core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import torch
from rich.console import Console

from qhw.commands.runs import ListedRun, Listing
from qhw.commands.sweep_summary import print_summary, summary
from qhw.commands.train import refuse_for_gradients
from qhw.config import RunConfig
from qhw.console.output import show, terminal
from qhw.console.progress import Bar, long_work
from qhw.console.tables import from_here
from qhw.errors import ConfigError, DamagedFileError, SweepError
from qhw.runs.directory import RunDirectory, checked_name, create_run, is_run, open_run
from qhw.runs.status import Status, status_of
from qhw.runs.waiting import turn_over, waiting
from qhw.training.idle import refuse_idle
from qhw.training.parts import make_environment, open_bundle, open_card, reward_config

LOG = "log.txt"
"""What a run printed, in its folder."""
LOOK_SECONDS = 2.0
"""Between two looks at how far the runs have come."""
NAMED = 2
"""Runs under way that the bar names; a machine of many cores has more than a line takes."""
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
    runs, failed = train_all(configs, root, workers)
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


def train_all(
    configs: dict[str, RunConfig], root: Path, workers: int | None = None
) -> tuple[list[RunDirectory], list[RunDirectory]]:
    """Train the runs that are not finished; arguments and errors are those of `sweep`.

    Returns:
        All runs, and those of them that failed.
    """
    workers = workers or cores()
    runs = _opened(configs, root)
    unfinished = [run for run in runs if status_of(run) is not Status.FINISHED]
    terminal().print(
        f"{len(runs)} runs in {from_here(root)}, {len(runs) - len(unfinished)} of them finished; "
        f"{workers} at once"
    )
    with long_work(terminal(), "sweep", len(runs), len(runs) - len(unfinished)) as bar:
        return runs, _train(unfinished, workers, bar, len(runs))


def _opened(configs: dict[str, RunConfig], root: Path) -> list[RunDirectory]:
    """The runs' folders; nothing is made unless all of them can be."""
    for name, config in configs.items():
        refuse_unfit(checked_name(name), config, root)
    return [
        open_run(root / name) if is_run(root / name) else create_run(root, config, name)
        for name, config in configs.items()
    ]


def refuse_unfit(name: str, config: RunConfig, root: Path) -> None:
    """Refuse what cannot be one of many trainings at once.

    Raises:
        ConfigError: If work would be paid for, settings do nothing, or there is another such run.
    """
    if len(name) > MAXIMUM_NAME:
        raise ConfigError(
            f"{name!r} is too long for a run's name.",
            "Vary fewer settings, or take a file for what stays the same: --config.",
        )
    if config.backend.takes_jobs:
        raise ConfigError(
            f"Many trainings on {config.backend.name!r} would send jobs from several runs at once.",
            "Take a simulator; train runs on a device one by one: `qhw train --backend "
            f"{config.backend.name}`.",
        )
    refuse_idle(config)
    refuse_for_gradients(config)
    _refuse_missing_discriminator(config)
    there = is_run(root / name)
    if there and open_run(root / name).config.model_dump() != config.model_dump():
        raise ConfigError(
            f"There is already a run {name!r} with other settings.",
            "Take another --name, or another folder.",
        )


def _refuse_missing_discriminator(config: RunConfig) -> None:
    """Refuse a reward that the bundle cannot pay before anything else is trained.

    Raises:
        ConfigError: If it asks for a discriminator, and there is none.
    """
    environment = config.environment
    if reward_config(environment.reward, open_card(environment.bundle)).needs_discriminator:
        make_environment(environment, open_bundle(environment.bundle), torch.device("cpu"))


def _train(runs: Sequence[RunDirectory], workers: int, bar: Bar, total: int) -> list[RunDirectory]:
    """Train them, each in a process of its own; those that failed."""
    failed: list[RunDirectory] = []
    with ThreadPoolExecutor(workers) as pool, waiting(runs), _Processes() as processes:
        left: dict[Future[int], RunDirectory] = {
            pool.submit(processes.train, run): run for run in runs
        }
        while left:
            for ended in wait(left, LOOK_SECONDS, FIRST_COMPLETED).done:
                run = left.pop(ended)
                if ended.result() != 0:
                    failed.append(run)
            parts = {run.name: _part(run) for run in left.values() if run in processes}
            bar.at(total - len(left) + sum(parts.values()))
            bar.say(_told(total - len(left), total, len(failed), parts))
    return [run for run in runs if run in failed]


def _part(run: RunDirectory) -> float:
    """How much of its training a run has had, in [0, 1]; 0 where its own process will complain."""
    try:
        return min(len(run.metrics()) / run.config.ppo.updates, 1.0)
    except DamagedFileError:
        return 0.0


def _told(done: int, total: int, failed: int, parts: dict[str, float]) -> str:
    """Such as `sweep: 1 of 3 runs, 0 failed, s-seed1 40 %, s-seed2 35 %`."""
    named = [f"{name} {100 * part:.0f} %" for name, part in [*parts.items()][:NAMED]]
    more = [f"{len(parts) - NAMED} more"] if len(parts) > NAMED else []
    return ", ".join([f"sweep: {done} of {total} runs", f"{failed} failed", *named, *more])


class _Processes:
    """The trainings under way; none outlives this one."""

    def __init__(self) -> None:
        self._alive: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped = False

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *reason: object) -> None:
        self._stopped = True
        for process in [*self._alive.values()]:
            process.terminate()

    def __contains__(self, run: RunDirectory) -> bool:
        return run.name in self._alive

    def train(self, run: RunDirectory) -> int:
        """Train a run to its end and give its exit status."""
        if self._stopped:
            return 130
        command = [sys.executable, "-m", "qhw", "train", "--resume", str(run.path), "--quiet"]
        with (run.path / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own command
                command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            self._alive[run.name] = process
            try:
                return process.wait()
            finally:
                del self._alive[run.name]
                turn_over(run)
