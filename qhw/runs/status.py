"""How a run stands: running, waiting, finished, stopped, failed or damaged."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from qhw.errors import BudgetReachedError, InterruptedWorkError, QhwError, UnknownNameError
from qhw.files import write_json
from qhw.runs.directory import RunDirectory, list_runs
from qhw.runs.lock import in_use
from qhw.runs.waiting import is_waiting

FAILURE = "failure.json"


class Status(Enum):
    """How a run stands."""

    RUNNING = "running"
    """A process is at work in it."""
    WAITING = "waiting"
    """A sweep that is under way will come to it."""
    FINISHED = "finished"
    """Trained to the end and evaluated."""
    STOPPED = "stopped"
    """`qhw train --resume` goes on with it."""
    FAILED = "failed"
    """It ended by an error, which `failure.json` tells; `--resume` goes on once it is mended."""
    DAMAGED = "damaged"
    """Its settings or its results cannot be read."""


def status_of(run: RunDirectory) -> Status:
    """How a run stands."""
    if in_use(run.path):
        return Status.RUNNING
    if is_waiting(run):
        return Status.WAITING
    try:
        finished = is_finished(run)
    except QhwError:
        return Status.DAMAGED
    if finished:
        return Status.FINISHED
    return Status.FAILED if (run.path / FAILURE).exists() else Status.STOPPED


def is_finished(run: RunDirectory) -> bool:
    """Whether it is trained to the end, and the trained policy evaluated.

    Raises:
        QhwError: If its files cannot be read.
    """
    updates, evaluation = run.config.ppo.updates, run.evaluation
    evaluated = evaluation is not None and evaluation["updates"] == updates
    return evaluated and len(run.metrics()) == updates


def newest_unfinished(root: Path) -> RunDirectory:
    """The run that began last among those that can go on.

    Raises:
        UnknownNameError: If there is none.
    """
    unfinished = [
        run for run in list_runs(root) if status_of(run) in (Status.STOPPED, Status.FAILED)
    ]
    if not unfinished:
        raise UnknownNameError(
            f"There is no unfinished run in {root}.",
            "`qhw runs` lists the runs; name one: `qhw train --resume RUN`.",
        )
    return unfinished[-1]


@contextmanager
def failure_kept(run: RunDirectory) -> Iterator[None]:
    """Write down why the work in a run ends early, until work in it begins anew.

    A stop by the user or by a limit is no failure.
    """
    path = run.path / FAILURE
    path.unlink(missing_ok=True)
    try:
        yield
    except (BudgetReachedError, InterruptedWorkError):
        raise
    except Exception as error:
        if run.path.is_dir():
            write_json(path, _told(error))
        raise


def _told(error: Exception) -> dict[str, str]:
    known = isinstance(error, QhwError)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "error": type(error).__name__,
        "message": error.message if isinstance(error, QhwError) else str(error),
        "hint": error.hint if isinstance(error, QhwError) else "",
        "traceback": "" if known else "".join(traceback.format_exception(error)),
    }
