"""Runs that wait for their turn in a sweep that is under way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from qhw.files import replace_file
from qhw.runs.directory import RunDirectory
from qhw.runs.lock import held, sole_use

WAITING = "waiting"
"""In a run's folder: the name of the run beside it in whose folder the sweep holds a lock."""
SWEEP_LOCK = "sweep-lock"


def is_waiting(run: RunDirectory) -> bool:
    """Whether a sweep that is alive will come to it; one that was killed holds no lock."""
    path = run.path / WAITING
    if not path.exists():
        return False
    return held(run.path.parent / path.read_text(encoding="utf-8") / SWEEP_LOCK)


@contextmanager
def waiting(runs: Sequence[RunDirectory]) -> Iterator[None]:
    """Let runs of one root wait until their `turn_over`, or until this context ends.

    Raises:
        BusyError: If another sweep has begun with the same run.
        OutputError: If nothing can be written there.
    """
    if not runs:
        yield
        return
    with sole_use(runs[0].path, SWEEP_LOCK):
        for run in runs:
            replace_file(run.path / WAITING, runs[0].name.encode())
        try:
            yield
        finally:
            for run in runs:
                turn_over(run)


def turn_over(run: RunDirectory) -> None:
    """It was trained, or that was tried: it waits no longer."""
    (run.path / WAITING).unlink(missing_ok=True)
