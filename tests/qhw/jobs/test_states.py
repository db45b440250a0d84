"""Every row of the table in `qhw.jobs.work`: what is done, and written down, in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qhw.budget.limits import Budget, Limits
from qhw.errors import (
    AmbiguousSubmitError,
    BudgetReachedError,
    HardwareError,
    JobFailedError,
    LedgerError,
    QhwError,
    RateLimitedError,
)
from qhw.jobs.ledger import Entry, EntryState, Intent, Ledger
from qhw.jobs.patience import Patience, PatientRunner
from qhw.jobs.request import JobRequest, Pub, Shapes, Unit
from qhw.jobs.runner import JobReport, JobState, PlanLimits, PubValues
from qhw.jobs.work import PaidWork
from tests.clock import SteppedClock

UNIT = Unit("run", "images", 0, 0, 0)
SEND = ["limits", "INTENT", "submit", "JOB ID"]
FINISH = ["find", "report", "collect", "calibration", "RESULT"]


def request(shots: int = 64) -> JobRequest:
    return JobRequest((Pub(QuantumCircuit(1), (0,), np.zeros((2, 0))),), shots)


@dataclass
class Platform:
    """A device whose every call is written into `events`; jobs end at once, as `ends` says."""

    events: list[str]
    answers: list[QhwError | None] = field(default_factory=list)
    accepts: bool = True
    ends: JobState = "done"
    jobs: dict[str, JobReport] = field(default_factory=dict)
    device: str = "ibm_test"
    mode: str = "job"
    group_id: str = ""

    def limits(self) -> PlanLimits:
        self.events.append("limits")
        return PlanLimits("paid")

    def submit(self, asked: JobRequest) -> str:
        """Accepts, unless an error is next; one without a clear answer may have been accepted."""
        self.events.append("submit")
        error = self.answers.pop(0) if self.answers else None
        if error is None or (isinstance(error, AmbiguousSubmitError) and self.accepts):
            self.add(f"job-{len(self.jobs)}", self.ends)
        if error is not None:
            raise error
        return f"job-{len(self.jobs) - 1}"

    def add(self, job_id: str, state: JobState) -> None:
        self.jobs[job_id] = JobReport(job_id, state, usage_seconds=2.0)

    def find(self, tag: str) -> list[JobReport]:
        self.events.append("find")
        return list(self.jobs.values()) if tag == UNIT.tag else []

    def report(self, job_id: str) -> JobReport:
        self.events.append("report")
        return self.jobs[job_id]

    def collect(self, job_id: str, shapes: Shapes) -> tuple[PubValues, ...]:
        self.events.append("collect")
        return tuple(PubValues(np.full(shape, 0.5), np.zeros(shape)) for shape in shapes)

    def calibration(self, job_id: str) -> str:
        self.events.append("calibration")
        return '{"t1": 1}'

    def cancel(self, job_id: str) -> None:
        self.events.append("cancel")
        self.add(job_id, "cancelled")


WRITES = {
    "intend": "INTENT",
    "submitted": "JOB ID",
    "done": "RESULT",
    "failed": "FAILURE",
    "duplicate": "DUPLICATE",
}


@dataclass
class Table:
    """One unit of work, its ledger and its platform; what they do is in `events`, in order."""

    events: list[str]
    ledger: Ledger
    platform: Platform
    clock: SteppedClock

    def stand(self, state: EntryState, job_id: str = "job-0") -> Entry:
        """Bring the unit's newest attempt into a state, without events."""
        asked = request()
        intent = Intent(asked.digest, "ibm_test", "", asked.shapes, 64, 2.0)
        entry = self.ledger.intend(UNIT, intent, None)
        if state in ("submitted", "done"):
            self.platform.add(job_id, self.platform.ends)
            entry = self.ledger.submitted(entry.id, job_id)
        if state == "done":
            values = (PubValues(np.full((2, 1), 0.5), np.zeros((2, 1))),)
            self.ledger.done(entry.id, values, JobReport(job_id, "done", usage_seconds=2.0), "")
        if state == "failed":
            self.ledger.failed(entry.id, None, "before")
        self.events.clear()
        return entry

    def perform(self, asked: JobRequest | None = None, limits: Limits | None = None) -> Any:
        waits = random.Random(1)
        runner = PatientRunner(self.platform, Patience(), self.clock, waits)  # type: ignore[arg-type]
        work = PaidWork(runner, self.ledger, Budget(limits or Limits()), self.clock)
        return work.perform(UNIT, asked or request(), b"journal")

    @property
    def states(self) -> list[str]:
        return [entry.state for entry in self.ledger.attempts(UNIT)]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    events: list[str] = []
    for name, event in WRITES.items():
        monkeypatch.setattr(Ledger, name, noted(getattr(Ledger, name), event, events))
    clock = SteppedClock()
    with Ledger(tmp_path / "ledger.sqlite", clock) as ledger:
        yield Table(events, ledger, Platform(events), clock)


def noted(method: Callable[..., Any], event: str, events: list[str]) -> Callable[..., Any]:
    def noting(*arguments: Any) -> Any:
        events.append(event)
        return method(*arguments)

    return noting


def test_what_was_never_sent(table: Table) -> None:
    answer = table.perform()
    assert table.events == [*SEND, *FINISH]
    assert table.states == ["done"]
    assert table.ledger.latest_journal("run") == (UNIT, b"journal")
    assert (answer.cost.jobs, answer.cost.qpu_seconds) == (1, 2.0)
    assert np.array_equal(answer.values[0].values, np.full((2, 1), 0.5))


def test_what_a_limit_does_not_hold_is_not_even_intended(table: Table) -> None:
    with pytest.raises(BudgetReachedError):
        table.perform(limits=Limits(max_qpu_seconds=1.0))
    assert table.events == []
    assert table.states == []


def test_what_failed_is_sent_as_the_next_attempt(table: Table) -> None:
    table.stand("failed")
    table.perform()
    assert table.events == [*SEND, *FINISH]
    assert table.states == ["superseded", "done"]


def test_what_is_refused_for_a_passing_reason_is_sent_again_after_a_wait(table: Table) -> None:
    table.platform.answers = [RateLimitedError("429", "wait")]
    table.perform()
    assert table.events == ["limits", "INTENT", "submit", "FAILURE", *SEND[1:], *FINISH]
    assert table.clock.slept == [15.0]
    assert table.states == ["superseded", "done"]
    assert table.ledger.spent("run").jobs == 1


def test_what_is_refused_for_good_is_a_failure_without_a_job(table: Table) -> None:
    table.platform.answers = [HardwareError("400: no", "mend it")]
    with pytest.raises(HardwareError, match="400: no"):
        table.perform()
    assert table.events == ["limits", "INTENT", "submit", "FAILURE"]
    assert table.states == ["failed"]
    assert table.ledger.spent("run").jobs == 0


def test_without_a_clear_answer_the_job_is_looked_up_before_anything_is_sent_again(
    table: Table,
) -> None:
    table.platform.answers = [AmbiguousSubmitError("cut", "look it up")]
    table.perform()
    assert table.events == ["limits", "INTENT", "submit", "find", "JOB ID", *FINISH]
    assert table.states == ["done"]


def test_an_intent_whose_job_is_there_is_collected(table: Table) -> None:
    table.stand("intent")
    table.platform.add("job-0", "done")
    table.perform()
    assert table.events == ["find", "JOB ID", *FINISH]
    assert table.states == ["done"]


def test_an_intent_without_a_trace_is_sent_once_more_after_a_quarantine(table: Table) -> None:
    table.stand("intent")
    table.perform()
    assert table.events == ["find", "find", "FAILURE", *SEND, *FINISH]
    assert table.clock.slept == [60.0]
    assert table.states == ["superseded", "done"]


def test_an_intent_that_leaves_no_trace_again_and_again_is_given_up(table: Table) -> None:
    table.platform.answers = [AmbiguousSubmitError("cut", "look it up") for _ in range(3)]
    table.platform.accepts = False
    with pytest.raises(AmbiguousSubmitError, match="3 times"):
        table.perform()
    assert table.events.count("submit") == 3
    assert table.states == ["superseded", "superseded", "intent"]
    assert table.ledger.spent("run").jobs == 1, "the last one may be there"


def test_what_is_submitted_is_collected_and_never_sent(table: Table) -> None:
    table.stand("submitted")
    table.perform()
    assert table.events == FINISH
    assert table.states == ["done"]


def test_a_second_job_is_cancelled_and_written_down_before_the_wait(table: Table) -> None:
    table.stand("submitted")
    table.platform.add("job-1", "queued")
    table.perform()
    assert table.events == ["find", "cancel", "report", "DUPLICATE", *FINISH[1:]]
    (double,) = table.ledger.duplicates("run")
    assert (double.report.job_id, double.action) == ("job-1", "cancelled")
    assert table.ledger.spent("run").qpu_seconds == 4.0


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_a_job_that_ended_without_a_result_is_a_failure(ends: JobState, table: Table) -> None:
    table.platform.ends = ends
    table.stand("submitted")
    with pytest.raises(JobFailedError, match=f"job-0 {ends}"):
        table.perform()
    assert table.events == ["find", "report", "FAILURE"]
    assert table.states == ["failed"]
    assert table.ledger.spent("run").qpu_seconds == 2.0


def test_what_is_done_is_recalled_without_a_word_to_the_platform(table: Table) -> None:
    first = table.perform()
    table.events.clear()
    again = table.perform()
    assert table.events == []
    assert np.array_equal(first.values[0].values, again.values[0].values)
    assert (first.cost, first.calibration, first.date) == (
        again.cost,
        again.calibration,
        again.date,
    )


@pytest.mark.parametrize("state", ["intent", "submitted", "done", "failed"])
def test_another_question_is_refused_before_all_else(state: EntryState, table: Table) -> None:
    table.stand(state)
    with pytest.raises(LedgerError, match="does not replay as it was"):
        table.perform(request(shots=65))
    assert table.events == []
    assert table.states == [state]
