"""What giving out tasks costs, and what a second worker is worth.

    python -m benchmarks.cluster [--skip-study]

On a cluster of this machine: milliseconds of one of 1,000 tasks that do nothing; the same where
each keeps a result of the size of a run, and it is brought back; then a small study's trainings on
one worker and on two, with the start of the cluster. From the driver's own time for a task follows,
on paper, how many workers it can keep busy. Writes cluster.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.timing import significant, write_result
from qhw.cluster.giving_out import do_all
from qhw.cluster.ray_cluster import ray_cluster
from qhw.cluster.results import Results
from qhw.cluster.tasks import Ended, Needs, Work
from qhw.commands.study_on_ray import (
    Cluster,
    Training,
    do_training,
    take,
    train_on_ray,
    trainings_of,
)
from qhw.config import parse_config
from qhw.console.output import Output, speak
from qhw.studies.trained.catalogue import find_study
from qhw.studies.trained.task import Task, tasks_of

TASKS = 1000
SMALL = Needs(cores=1, memory=1 << 20)
STUDY = {"ppo": {"updates": 8, "environments": 64}, "backend": {"name": "aer"}}
LATENTS = 200
WORKERS = 1000


def nothing(task: Any) -> None:
    """The empty task."""


def leave(task: tuple[Training, bytes]) -> None:
    """Keep a run that was trained before as the result."""
    training, content = task
    training.results.keep(training.result, content)


def milliseconds(work: Work, end: Callable[[Ended], object]) -> float:
    """Of one task, with what the driver does at its end; workers are there already."""
    assert not [ended for ended in do_all(work) if ended.error]
    begun = time.perf_counter()
    for ended in do_all(work):
        assert ended.error is None
        assert not end(ended)
    return 1000 * (time.perf_counter() - begun) / len(work.tasks)


def driver_milliseconds(training: Training, content: bytes) -> dict[str, float]:
    """Wall time of an empty task, and of one whose run is kept, and brought back by the command."""
    names = [f"t{i}" for i in range(TASKS)]
    empty = Work(nothing, dict.fromkeys(names), SMALL)
    with TemporaryDirectory() as folder, ray_cluster(None):
        results, runs = Results(f"{folder}/results"), Path(folder) / "runs"
        sent = {name: replace(training, name=name, results=results) for name in names}
        kept = Work(leave, {name: (each, content) for name, each in sent.items()}, SMALL)
        return {
            "empty": significant(milliseconds(empty, lambda _: None)),
            "brought": significant(
                milliseconds(kept, lambda ended: take(ended, sent[ended.name], runs))
            ),
        }


def a_run(tasks: list[Task]) -> tuple[Training, bytes, float]:
    """A training, its run as it is sent, and the CPU seconds that it took here."""
    with TemporaryDirectory() as folder:
        training = trainings_of(tasks[:1], LATENTS, Results(folder))[tasks[0].name]
        begun = time.process_time()
        do_training(training)
        taken = time.process_time() - begun
        return training, training.results.read(training.result), taken


def study_seconds(tasks: list[Task], cores: int) -> float:
    """Wall time of all trainings on so many workers, from nothing."""
    with TemporaryDirectory() as folder:
        begun = time.perf_counter()
        failed = train_on_ray(tasks, LATENTS, Path(folder) / "runs", Cluster(cores=cores))
        assert not failed, failed
        return time.perf_counter() - begun


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-study", action="store_true")
    arguments = parser.parse_args()
    speak(Output(quiet=True))
    tasks = tasks_of(find_study("entanglement"), range(2), parse_config(STUDY))
    training, content, seconds = a_run(tasks)
    result: dict[str, Any] = {
        "tasks": TASKS,
        "bytes of a run": len(content),
        "milliseconds of a task": driver_milliseconds(training, content),
    }
    if not arguments.skip_study:
        wall = {cores: study_seconds(tasks, cores) for cores in (1, 2)}
        result["trainings"] = len({task.name for task in tasks})
        result["CPU seconds of a training"] = significant(seconds)
        result["seconds by workers"] = {str(k): significant(v) for k, v in wall.items()}
        result["two workers"] = significant(wall[1] / wall[2])
    cost = result["milliseconds of a task"]["brought"] / 1000
    result["on paper"] = {
        "workers": WORKERS,
        "shortest task that keeps all of them busy, seconds": significant(cost * WORKERS),
        "gigabytes of 10,000 runs": significant(len(content) * 10_000 / 1e9),
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
