from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qhw.errors import (
    AmbiguousSubmitError,
    CredentialsError,
    DeadlineError,
    HardwareError,
    JobFailedError,
    RateLimitedError,
    RetryableError,
)
from qhw.jobs.patience import Patience, PatientRunner, wait_for
from qhw.jobs.request import JobRequest, Pub
from qhw.jobs.runner import JobReport, JobRunner, PlanLimits
from tests.clock import SteppedClock

IMPATIENT = Patience(call_seconds=0.05, submit_seconds=0.05)


class Scripted:
    """Answers each method from a list; an exception is raised, a callable called."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.answers:
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, *args, *kwargs.items()))
            answers = self.answers[name]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer() if callable(answer) else answer

        return call


def patient(
    scripted: Scripted, patience: Patience | None = None, clock: SteppedClock | None = None
) -> PatientRunner:
    return PatientRunner(
        cast(JobRunner, scripted),
        patience or Patience(),
        clock or SteppedClock(),
        random.Random(7),
    )


def request(*tags: str) -> JobRequest:
    return JobRequest((Pub(QuantumCircuit(1), (0,), np.zeros((1, 0))),), shots=1, tags=tags)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hung calls wait for; opened at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def eventually(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


BUSY = RetryableError("busy", "wait")
OPEN = PlanLimits("open")


def test_a_passing_failure_is_asked_again_after_growing_waits() -> None:
    clock = SteppedClock()
    scripted = Scripted(queue_length=[BUSY, BUSY, BUSY, 3])
    assert patient(scripted, clock=clock).queue_length() == 3
    assert len(scripted.calls) == 4
    waits = list(zip(clock.slept, (1, 2, 4), strict=True))
    assert all(full / 2 <= wait <= full for wait, full in waits)


def test_the_waits_are_those_of_the_seed() -> None:
    clocks = [SteppedClock(), SteppedClock()]
    for clock in clocks:
        patient(Scripted(limits=[BUSY, BUSY, OPEN]), clock=clock).limits()
    assert clocks[0].slept == clocks[1].slept


def test_waits_stay_below_the_longest() -> None:
    clock = SteppedClock()
    patience = Patience(attempts=10, longest_wait=5)
    with pytest.raises(RetryableError):
        patient(Scripted(limits=[BUSY]), patience, clock).limits()
    assert len(clock.slept) == 9
    assert max(clock.slept) <= 5


def test_being_asked_too_often_waits_long_at_once() -> None:
    clock = SteppedClock()
    scripted = Scripted(limits=[RateLimitedError("429", "wait"), OPEN])
    assert patient(scripted, clock=clock).limits() == OPEN
    assert clock.slept[0] >= 15


def test_the_last_error_comes_out_with_the_job() -> None:
    scripted = Scripted(report=[BUSY])
    with pytest.raises(RetryableError, match=r"Job d1: busy\nwait"):
        patient(scripted).report("d1")
    assert len(scripted.calls) == Patience().attempts


def test_a_job_is_not_named_twice() -> None:
    scripted = Scripted(report=[RetryableError("job d1: busy", "wait")])
    with pytest.raises(RetryableError, match=r"^job d1: busy\n"):
        patient(scripted).report("d1")


def test_no_call_is_begun_after_the_total_time() -> None:
    clock = SteppedClock()
    patience = Patience(attempts=100, first_wait=10, longest_wait=10, total_seconds=35)
    with pytest.raises(RetryableError):
        patient(Scripted(limits=[BUSY]), patience, clock).limits()
    assert 20 < sum(clock.slept) <= 35


@pytest.mark.parametrize("kind", [JobFailedError, CredentialsError, HardwareError])
def test_what_cannot_pass_comes_out_at_once(kind: type[HardwareError]) -> None:
    error = kind("code 1305: verbatim", "the hint")
    scripted = Scripted(collect=[error])
    with pytest.raises(kind) as caught:
        patient(scripted).collect("d1", request().shapes)
    assert caught.value is error
    assert len(scripted.calls) == 1


def test_a_call_that_hangs_ends_at_its_deadline(gate: threading.Event) -> None:
    patience = Patience(call_seconds=0.05, attempts=2)
    scripted = Scripted(report=[gate.wait])
    began = time.monotonic()
    with pytest.raises(DeadlineError, match=r"No answer to report of job d1 in 0\.05 s"):
        patient(scripted, patience).report("d1")
    assert time.monotonic() - began < 60, "it hangs for ever"
    assert len(scripted.calls) == 2


def test_a_call_that_hung_once_is_asked_again(gate: threading.Event) -> None:
    found = [JobReport("d1", "done")]
    scripted = Scripted(find=[gate.wait, found])
    assert patient(scripted, IMPATIENT).find("tag") == found


def test_a_timeout_inside_the_client_is_not_our_deadline() -> None:
    with pytest.raises(TimeoutError, match="socket"):
        patient(Scripted(limits=[TimeoutError("socket")])).limits()


@pytest.mark.parametrize("name", ["cancel", "calibration"])
def test_every_call_about_a_job_is_patient(name: str) -> None:
    scripted = Scripted(**{name: [BUSY, "answer"]})
    getattr(patient(scripted), name)("d1")
    assert scripted.calls == [(name, "d1")] * 2


def test_snapshot_and_close_are_patient() -> None:
    scripted = Scripted(snapshot=[BUSY, "snapshot"], close=[BUSY, None])
    runner = patient(scripted)
    assert cast(str, runner.snapshot(refresh=True)) == "snapshot"
    runner.close()
    assert scripted.calls == [("snapshot", ("refresh", True))] * 2 + [("close",)] * 2


def test_what_needs_no_call_is_passed_on() -> None:
    scripted = Scripted()
    vars(scripted).update(device="ibm_x", mode="batch", group_id="g")
    runner = patient(scripted)
    facts = (runner.device, runner.mode, runner.group_id)
    assert facts == ("ibm_x", "batch", "g")


def test_a_submission_is_sent_once_and_then_forgotten() -> None:
    runner = patient(Scripted(submit=["d1"]))
    assert runner.submit(request("unit")) == "d1"
    assert not runner.posts_alive("unit")
    assert runner.late_answer("unit") is None


@pytest.mark.parametrize("kind", [RetryableError, RateLimitedError, CredentialsError])
def test_a_refused_submission_is_not_sent_again(kind: type[HardwareError]) -> None:
    scripted = Scripted(submit=[kind("refused", "hint")])
    runner = patient(scripted)
    with pytest.raises(kind, match="refused"):
        runner.submit(request("unit"))
    assert len(scripted.calls) == 1
    assert not runner.posts_alive("unit")


@pytest.mark.parametrize("kind", [AmbiguousSubmitError, DeadlineError])
def test_a_submission_without_a_clear_answer_is_not_sent_again(kind: type[HardwareError]) -> None:
    scripted = Scripted(submit=[kind("cut", "hint")])
    runner = patient(scripted)
    with pytest.raises(AmbiguousSubmitError, match="cut"):
        runner.submit(request("unit"))
    assert len(scripted.calls) == 1
    assert not runner.posts_alive("unit")
    assert runner.late_answer("unit") is None


def test_a_refused_submission_does_not_stand_in_the_next_ones_way() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("a"), 0)
    first, second = (
        JobRequest((Pub(circuit, (0,), np.zeros((rows, 1))),), shots=1, tags=(tag,))
        for rows, tag in ((4, "one"), (8, "two"))
    )
    scripted = Scripted(submit=[RateLimitedError("too often", "wait"), "j1"])
    runner = patient(scripted)
    with pytest.raises(RateLimitedError):
        runner.submit(first)
    assert runner.submit(second) == "j1"
    assert runner.late_answer("one") is None


def test_a_late_answer_to_a_submission_is_told_once(gate: threading.Event) -> None:
    def late() -> str:
        gate.wait()
        return "d1"

    runner = patient(Scripted(submit=[late]), IMPATIENT)
    with pytest.raises(AmbiguousSubmitError, match=r"No answer to submit in 0\.05 s"):
        runner.submit(request("unit", "work"))
    assert runner.posts_alive("unit")
    assert not runner.posts_alive("other")
    assert runner.late_answer("unit") is None
    gate.set()
    eventually(lambda: not runner.posts_alive("unit"))
    assert runner.late_answer("other") is None
    assert runner.late_answer("unit") == "d1"
    assert runner.late_answer("unit") is None


def test_a_late_refusal_of_a_submission_is_no_job(gate: threading.Event) -> None:
    def late() -> str:
        gate.wait()
        raise HardwareError("refused", "hint")

    runner = patient(Scripted(submit=[late]), IMPATIENT)
    with pytest.raises(AmbiguousSubmitError):
        runner.submit(request("unit"))
    gate.set()
    eventually(lambda: not runner.posts_alive("unit"))
    assert runner.late_answer("unit") is None


def test_an_interrupted_submission_is_still_known(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    runner = patient(Scripted(submit=[gate.wait]), IMPATIENT)
    monkeypatch.setattr("qhw.jobs.patience.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.submit(request("unit"))
    assert runner.posts_alive("unit")


@pytest.mark.parametrize("field", ["call_seconds", "attempts", "longest_wait", "total_seconds"])
def test_patience_without_time_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field}=0"):
        Patience(**cast(dict[str, Any], {field: 0}))


def test_waiting_shows_each_report_and_returns_the_last() -> None:
    queued, running, done = (JobReport("d1", state) for state in ("queued", "running", "done"))
    clock = SteppedClock()
    shown: list[JobReport] = []
    scripted = cast(JobRunner, Scripted(report=[queued, running, done]))
    report = wait_for(scripted, "d1", clock, deadline=60, on_report=shown.append)
    assert report is done
    assert shown == [queued, running, done]
    assert clock.slept == [0.5, 0.75]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_waiting_returns_a_failure_as_a_report(state: Any) -> None:
    report = JobReport("d1", state, reason="code 1305")
    scripted = cast(JobRunner, Scripted(report=[report]))
    assert wait_for(scripted, "d1", SteppedClock(), deadline=1) is report


def test_a_job_that_waits_for_ever_is_told_at_the_deadline() -> None:
    clock = SteppedClock()
    scripted = cast(JobRunner, Scripted(report=[JobReport("d1", "queued", queue_position=4)]))
    with pytest.raises(DeadlineError) as caught:
        wait_for(scripted, "d1", clock, deadline=100)
    assert "Job d1 is still queued with 4 jobs ahead after 100 s" in caught.value.message
    assert "`qhw jobs show d1`" in caught.value.hint
    assert "--resume" in caught.value.hint
    assert sum(clock.slept) == pytest.approx(100)
    assert max(clock.slept) == 10


LOADED_IN_A_THREAD = """
import random
from qhw.jobs.clock import SystemClock
from qhw.jobs.patience import Patience, Questions

def load():
    import qiskit_ibm_runtime

def use():
    from qiskit.circuit import Parameter
    [Parameter("x") for _ in range(200)]

questions = Questions(Patience(call_seconds=500.0), SystemClock(), random.Random(0))
for work in (load, use, use):
    questions.ask("work", work)
"""


def test_qiskit_survives_the_end_of_the_thread_that_used_it_first() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED_IN_A_THREAD], check=False)
    assert done.returncode == 0
