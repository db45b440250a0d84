"""`qhw study`: train what a study varies, seed by seed, and write what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from qhw.commands.sweep import LOG, cores, train_all
from qhw.console.output import show, terminal
from qhw.console.progress import long_work
from qhw.console.tables import from_here, listing
from qhw.errors import StudyError
from qhw.files import make_folder, replace_file, write_json
from qhw.runs.directory import RunDirectory, open_run
from qhw.runs.status import Status, status_of
from qhw.studies.trained.catalogue import TrainedStudy
from qhw.studies.trained.comparing import (
    Difference,
    Row,
    TrainedArm,
    differences,
    record,
    rows_of,
)
from qhw.studies.trained.outcomes import outcome_of
from qhw.studies.trained.page import page_of
from qhw.studies.trained.task import Task

RUNS = "runs"
"""Below a folder of studies; all studies in it share their runs."""


@dataclass(frozen=True)
class StudyRequest:
    """What was asked.

    Attributes:
        study: What is varied.
        tasks: Its trainings.
        folder: Of all studies.
        latents: That every controller plays.
        command: As it was typed, for the page.
    """

    study: TrainedStudy
    tasks: Sequence[Task]
    folder: Path
    latents: int
    command: str

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.folder / RUNS

    def run_of(self, task: Task) -> RunDirectory | None:
        """A task's run, if it is finished."""
        if not (self.runs / task.name).is_dir():
            return None
        run = open_run(self.runs / task.name)
        return run if status_of(run) is Status.FINISHED else None


def run_study(request: StudyRequest, workers: int | None = None) -> None:
    """Train what is missing, let every controller play, write page and figures, and print them.

    Args:
        request: What was asked.
        workers: Trainings at once; as many as there are cores by default.

    Raises:
        ConfigError: If work would be paid for.
        StudyError: If trainings failed; the page is of the others.
    """
    configs = {task.name: task.config for task in request.tasks}
    _, failed = train_all(configs, request.runs, workers)
    arms = _play(request)
    rows, found = rows_of(arms), differences(request.study, arms)
    _write(request, rows, found)
    show({**record(rows, found), "page": str(_page(request))}, lambda c: _print(c, request))
    if failed:
        logs = " ".join(str(from_here(run.path / LOG)) for run in failed)
        raise StudyError(
            f"{len(failed)} of {len(request.tasks)} trainings failed: "
            f"{', '.join(run.name for run in failed)}.",
            f"What they said: {logs}. The same command goes on with them.",
        )


def print_plan(request: StudyRequest) -> None:
    """Say what a study would train, and how long that takes by what was trained before."""
    done = {task.name: request.run_of(task) for task in request.tasks}
    missing = [task for task in request.tasks if done[task.name] is None]
    measured = [_core_seconds(run) for run in done.values() if run is not None]
    hours = sum(measured) / len(measured) * len(missing) / 3600 if measured else None
    plan = {
        "study": request.study.name,
        "arms": list(request.study.arms),
        "trainings": len(request.tasks),
        "done": len(request.tasks) - len(missing),
        "core_hours": hours,
        "cores": cores(),
        "qpu_seconds": 0,
    }

    def print_it(console: Console) -> None:
        table = listing("arm", "trainings", "done")
        for arm in request.study.arms:
            own = [task for task in request.tasks if task.arm == arm]
            there = sum(done[task.name] is not None for task in own)
            table.add_row(arm, str(len(own)), str(there))
        console.print(table)
        console.print(_how_long(hours, len(missing)))

    show(plan, print_it)


def _how_long(hours: float | None, missing: int) -> str:
    if not missing:
        return "Nothing is left to train."
    if hours is None:
        return (
            f"{missing} trainings on simulators, nothing is paid; how long they take is known once "
            "one is done."
        )
    return (
        f"{missing} trainings on simulators, nothing is paid: about {hours:.1f} core-hours, "
        f"{hours / cores():.1f} hours here."
    )


def _core_seconds(run: RunDirectory) -> float:
    return sum(sum(record["seconds"].values()) for record in run.metrics())


def _play(request: StudyRequest) -> dict[str, TrainedArm]:
    """What every arm came to, of the runs that are finished, in the order of the seeds."""
    finished: dict[str, list[RunDirectory]] = {}
    for task in request.tasks:
        if (run := request.run_of(task)) is not None:
            finished.setdefault(task.arm, []).append(run)
    count, played = sum(map(len, finished.values())), 0
    arms = {}
    with long_work(terminal(), "playing", count) as bar:
        for name, runs in finished.items():
            outcomes = []
            for run in runs:
                bar.say(f"playing {name}, {run.name}")
                outcomes.append(outcome_of(run, request.latents))
                played += 1
                bar.at(played)
            arms[name] = TrainedArm(outcomes, *_size(runs[0]))
    return arms


def _size(run: RunDirectory) -> tuple[int, int | None]:
    """Parameters, and two-qubit gates where a device counts them."""
    facts = run.read_json("provenance.json")
    return facts["parameters"], (facts["backend"] or {}).get("two-qubit gates")


def _page(request: StudyRequest) -> Path:
    return request.folder / f"{request.study.name}.md"


def _write(request: StudyRequest, rows: Sequence[Row], found: Sequence[Difference]) -> None:
    make_folder(request.folder)
    text = page_of(request.study, rows, found, latents=request.latents, command=request.command)
    replace_file(_page(request), text.encode())
    about: dict[str, Any] = {"study": request.study.name, "latents": request.latents}
    write_json(_page(request).with_suffix(".json"), {**about, **record(rows, found)})


def _print(console: Console, request: StudyRequest) -> None:
    from rich.markdown import Markdown

    console.print(Markdown(_page(request).read_text(encoding="utf-8")))
    console.print(str(from_here(_page(request))), soft_wrap=True)
