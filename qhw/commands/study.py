"""`qhw study`: train what a study varies, seed by seed, and write what it came to."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from qhw.commands.study_on_ray import Cluster, needs_of, results_there, train_on_ray
from qhw.commands.sweep import LOG, cores, refuse_unfit, train_all
from qhw.config import RunConfig
from qhw.console.output import show, terminal
from qhw.console.progress import long_work
from qhw.console.tables import from_here, listing
from qhw.errors import ConfigError, StudyError
from qhw.evaluation.judges import Outcome
from qhw.files import make_folder, read_json, replace_file, write_json
from qhw.runs.directory import RunDirectory, is_run, open_run
from qhw.runs.status import Status, status_of
from qhw.studies.trained.catalogue import TrainedStudy
from qhw.studies.trained.circuit_error import circuit_error
from qhw.studies.trained.circuit_facts import circuit_facts
from qhw.studies.trained.comparing import (
    Difference,
    Row,
    TrainedArm,
    differences,
    record,
    rows_of,
)
from qhw.studies.trained.outcomes import outcome_of, require_same_bundle
from qhw.studies.trained.page import page_of
from qhw.studies.trained.study_size import StudySize, is_first_look
from qhw.studies.trained.task import FEWEST_LATENTS, Task, tasks_of, unusual
from qhw.studies.trained.unlearned import by_hand, without_sight
from qhw.training.parts import open_card

RUNS = "runs"
"""Below a folder of studies; all studies in it share their runs."""

Failures = Mapping[str, str]
"""What failed trainings said, or where they said it, by their names."""


@dataclass(frozen=True)
class StudyRequest:
    """What was asked.

    Attributes:
        study: What is varied.
        tasks: Its trainings.
        folder: Of all studies.
        latents: That every controller plays.
        fewest_latents: That judges can do with.
        settings: That all arms have in common, where they are not the defaults.
        command: As it may be typed again, for the page.
    """

    study: TrainedStudy
    tasks: Sequence[Task]
    folder: Path
    latents: int
    fewest_latents: int
    settings: dict[str, Any]
    command: str

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.folder / RUNS

    def run_of(self, task: Task) -> RunDirectory | None:
        """A task's run, if it is finished."""
        if not is_run(self.runs / task.name):
            return None
        run = open_run(self.runs / task.name)
        return run if status_of(run) is Status.FINISHED else None


def request_of(study: TrainedStudy, base: RunConfig, size: StudySize) -> StudyRequest:
    """What was asked.

    Args:
        study: What is varied.
        base: What the user set for all arms.
        size: How much is trained and played, and where it lies.

    Raises:
        QhwError: If there is no such model, work would be paid for, or settings do not fit an arm.
    """
    fewest = max(FEWEST_LATENTS, 2 * len(open_card(base.environment.bundle).class_names))
    settings = unusual(base)
    words = ["qhw", "study", study.name]
    words += ["--seeds", str(size.seeds), "--latents", str(size.latents), *_in(size.folder)]
    return StudyRequest(
        study,
        tasks_of(study, range(size.seeds), base, fewest),
        size.folder,
        size.latents,
        fewest,
        settings,
        shlex.join([*words, *_typed(settings)]),
    )


def _in(folder: Path) -> list[str]:
    """Option that names a folder of studies, where it is not the usual one."""
    return [] if folder == StudySize().folder else ["--folder", str(from_here(folder))]


def _typed(settings: Mapping[str, Any]) -> list[str]:
    """Settings as they may be typed, whatever file or preset they came from."""
    words = []
    for setting, value in settings.items():
        if setting != "defaults":
            told = ",".join(map(str, value)) if isinstance(value, list) else value
            words += ["--set", f"{setting}={told}"]
    return words


def run_study(request: StudyRequest, train: Callable[[StudyRequest], Failures]) -> None:
    """Train what is missing, let every controller play, write page and figures, and print them.

    Args:
        request: What was asked.
        train: Does the trainings that have no finished run; `train_here` or `train_on_cluster`.

    Raises:
        ConfigError: If work would be paid for.
        StudyError: If trainings failed; the page is of the others.
    """
    _refuse(request)
    failed = train(request)
    arms = _play(request)
    if request.study.beside:
        arms |= _beside(request)
    missing = missing_of(request.tasks, arms)
    rows, found = rows_of(arms), differences(request.study, arms)
    _write(request, rows, found, missing)
    show({**record(rows, found), "page": str(_page(request))}, lambda c: _print(c, request))
    if missing:
        raise _not_whole(request, missing, failed)


def train_here(request: StudyRequest, workers: int | None = None) -> Failures:
    """Train on this machine.

    Args:
        request: What was asked.
        workers: Trainings at once; as many as there are cores by default.
    """
    configs = {task.name: task.config for task in request.tasks}
    _, failed = train_all(configs, request.runs, workers)
    return {run.name: f"see {from_here(run.path / LOG)}" for run in failed}


def train_on_cluster(request: StudyRequest, cluster: Cluster) -> Failures:
    """Train on a cluster, and bring the runs here."""
    left = [task for task in request.tasks if request.run_of(task) is None]
    return train_on_ray(left, request.latents, request.runs, cluster)


def _not_whole(request: StudyRequest, missing: Sequence[str], failed: Failures) -> StudyError:
    """The error of a study some of whose trainings are not done."""
    said = [f"{name}: {why}" for name, why in failed.items()]
    return StudyError(
        f"{len(missing)} of {len({task.name for task in request.tasks})} trainings are not done: "
        f"{', '.join(missing)}.",
        "\n".join(
            [*(said or ["Another process may be at work in them."]), "The same command goes on."]
        ),
    )


def _refuse(request: StudyRequest) -> None:
    """Refuse what cannot be trained or compared, before anything is.

    Raises:
        ConfigError: If work would be paid for, latents are too few, the page is of other settings,
            or runs are of another model.
    """
    if request.latents < request.fewest_latents:
        raise ConfigError(
            f"--latents {request.latents}: judges need two pictures of a class.",
            f"Take {request.fewest_latents} or more.",
        )
    for task in request.tasks:
        refuse_unfit(task.name, task.config, request.runs)
        if (run := request.run_of(task)) is not None:
            require_same_bundle(run)
    figures = _page(request).with_suffix(".json")
    if figures.exists() and read_json(figures)["settings"] != request.settings:
        raise ConfigError(
            f"{from_here(figures)} is of other settings.",
            "Name another --folder: one page stands for one study.",
        )


def print_plan(request: StudyRequest, cluster: Cluster | None = None) -> None:
    """Say what a study would train, and how long that takes by what was trained before.

    Args:
        request: What was asked.
        cluster: Where it would be trained; what has its result there is done. None is here.

    Raises:
        ConfigError: If it cannot be trained.
        OutputError: If the results of a cluster cannot be reached.
    """
    _refuse(request)
    done = {task.name: request.run_of(task) for task in request.tasks}
    missing = [name for name, run in done.items() if run is None]
    if cluster is not None:
        left = [task for task in request.tasks if done[task.name] is None]
        there = results_there(left, cluster.results_beside(request.runs))
        missing = [name for name in missing if name not in there]
    measured = [_core_seconds(run) for run in done.values() if run is not None]
    hours = sum(measured) / len(measured) * len(missing) / 3600 if measured else None
    needs = needs_of(request.tasks[0].config)
    plan = {
        "study": request.study.name,
        "arms": list(request.study.arms),
        "trainings": len(done),
        "done": len(done) - len(missing),
        "core_hours": hours,
        "cores": None if cluster else cores(),
        "needs": dataclasses.asdict(needs),
        "qpu_seconds": 0,
        "dollars": 0,
    }

    def print_it(console: Console) -> None:
        table = listing("arm", "trainings", "done")
        counted: set[str] = set()
        for arm in request.study.arms:
            own = {task.name for task in request.tasks if task.arm == arm} - counted
            counted |= own
            there = sum(name not in missing for name in own)
            table.add_row(arm, str(len(own)), str(there))
        console.print(table)
        console.print(_how_long(hours, len(missing), None if cluster else cores()))
        console.print(f"Each needs {needs}.", highlight=False)

    show(plan, print_it)


def _how_long(hours: float | None, missing: int, here: int | None) -> str:
    """In words; `here` is the cores of this machine, None where another one trains."""
    if not missing:
        return "Nothing is left to train."
    what = f"{missing} trainings on simulators, nothing is paid"
    if hours is None:
        return f"{what}; how long they take is known once one is done."
    return (
        f"{what}: about {hours:.1f} core-hours{f', {hours / here:.1f} hours here' if here else ''}."
    )


def _core_seconds(run: RunDirectory) -> float:
    return sum(sum(record["seconds"].values()) for record in run.metrics())


def _play(request: StudyRequest) -> dict[str, TrainedArm]:
    """What every arm came to, of the runs that are finished, in the order of the seeds."""
    finished: dict[str, list[tuple[Task, RunDirectory]]] = {}
    for task in request.tasks:
        if (run := request.run_of(task)) is not None:
            finished.setdefault(task.arm, []).append((task, run))
    arms, played = {}, 0
    with long_work(terminal(), "playing", sum(map(len, finished.values()))) as bar:
        for name, done in finished.items():
            outcomes, errors = {}, []
            for task, run in done:
                bar.say(f"playing {name}, seed {task.seed}")
                outcomes[task.seed] = outcome_of(run, request.latents, task.played)
                errors.append(circuit_error(run, request.latents, task.played))
                played += 1
                bar.at(played)
            (first, _), runs = done[0], [run for _, run in done]
            of_circuits = [error for error in errors if error is not None]
            facts = circuit_facts(runs, of_circuits, first.played)
            arms[name] = TrainedArm(outcomes, *_size(runs[0]), circuit=facts)
    return arms


def _beside(request: StudyRequest) -> dict[str, TrainedArm]:
    """Guidance that learns nothing, on the same latents; what is of no training holds for all."""
    own = [task for task in request.tasks if task.arm == request.study.reference]
    runs = {task.seed: run for task in own if (run := request.run_of(task)) is not None}
    if not runs:
        return {}
    with long_work(terminal(), "playing what learns nothing", len(runs)) as bar:
        blind: dict[str, dict[int, Outcome]] = {}
        for place, (seed, run) in enumerate(runs.items(), start=1):
            for name, outcome in without_sight(run, request.latents).items():
                blind.setdefault(name, {})[seed] = outcome
            bar.at(place)
        named = by_hand(next(iter(runs.values())), request.latents, bar.say)
    alike = {
        name: TrainedArm(dict.fromkeys(runs, outcome), None, None, replicated=False)
        for name, outcome in named.items()
    }
    return {**{name: TrainedArm(each, None, None) for name, each in blind.items()}, **alike}


def missing_of(tasks: Sequence[Task], arms: Mapping[str, TrainedArm]) -> list[str]:
    """Trainings of which an arm has no outcome, each with the first arm that it is of."""
    there = {(name, seed) for name, arm in arms.items() for seed in arm.outcomes}
    missing: dict[str, str] = {}
    for task in tasks:
        if (task.arm, task.seed) not in there:
            missing.setdefault(task.name, task.arm)
    return [f"{name} ({arm})" for name, arm in missing.items()]


def _size(run: RunDirectory) -> tuple[int, int | None]:
    """Parameters, and two-qubit gates where a device counts them."""
    facts = run.read_json("provenance.json")
    return facts["parameters"], (facts["backend"] or {}).get("two-qubit gates")


def _page(request: StudyRequest) -> Path:
    return request.folder / f"{request.study.name}.md"


def _write(
    request: StudyRequest,
    rows: Sequence[Row],
    found: Sequence[Difference],
    missing: Sequence[str],
) -> None:
    make_folder(request.folder)
    text = page_of(
        request.study,
        rows,
        found,
        latents=request.latents,
        command=request.command,
        missing=missing,
        first_look=is_first_look(request.settings),
    )
    replace_file(_page(request), text.encode())
    about: dict[str, Any] = {
        "study": request.study.name,
        "latents": request.latents,
        "settings": request.settings,
        "command": request.command,
        "missing": list(missing),
    }
    write_json(_page(request).with_suffix(".json"), {**about, **record(rows, found)})


def _print(console: Console, request: StudyRequest) -> None:
    from rich.markdown import Markdown

    console.print(Markdown(_page(request).read_text(encoding="utf-8")))
    console.print(str(from_here(_page(request))), soft_wrap=True)
    again = shlex.join(["qhw", "report", "study", request.study.name, *_in(request.folder)])
    console.print(f"`{again}` draws it.", soft_wrap=True)
