"""Which of several jobs of one unit is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhw.jobs.ledger import Entry, Intent, Ledger
from qhw.jobs.reconciling import find_lost
from qhw.jobs.request import Unit
from qhw.jobs.runner import JobReport, JobState
from tests.clock import SteppedClock

UNIT = Unit("run", "images", 0, 0, 0)


class Platform:
    """Knows the jobs of one unit, oldest first."""

    def __init__(self, *states: JobState) -> None:
        self.jobs = {f"job-{k}": JobReport(f"job-{k}", state) for k, state in enumerate(states)}
        self.cancelled: list[str] = []

    def find(self, tag: str) -> list[JobReport]:
        return list(self.jobs.values())

    def report(self, job_id: str) -> JobReport:
        return self.jobs[job_id]

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self.jobs[job_id] = JobReport(job_id, "cancelled")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite", SteppedClock()) as opened:
        yield opened


def intended(ledger: Ledger) -> Entry:
    return ledger.intend(UNIT, Intent("d" * 32, "ibm_fez", "", ((1, 3),), 64, 2.0), None)


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        (("queued", "done"), "job-1"),
        (("queued", "queued"), "job-0"),
        (("queued", "running"), "job-1"),
        (("cancelled", "queued"), "job-1"),
        (("failed", "running"), "job-1"),
        (("failed", "cancelled"), "job-0"),
    ],
)
def test_the_job_that_is_worth_most_is_kept(
    states: tuple[JobState, ...], kept: str, ledger: Ledger
) -> None:
    platform = Platform(*states)
    assert find_lost(platform, ledger, intended(ledger)) == kept  # type: ignore[arg-type]
    assert kept not in platform.cancelled
    (double,) = ledger.duplicates("run")
    assert double.report.job_id != kept
    assert double.report.final


def test_no_job_is_no_job(ledger: Ledger) -> None:
    assert find_lost(Platform(), ledger, intended(ledger)) is None  # type: ignore[arg-type]
