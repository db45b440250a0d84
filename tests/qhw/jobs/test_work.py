"""The whole path against the local platform when something goes wrong: what is sent, paid, kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from policy.backend import FloatArray
from qhw.devices.backend import DeviceBackend, Position
from qhw.devices.opening import Requester
from qhw.errors import (
    AmbiguousSubmitError,
    BackendUnavailableError,
    BudgetReachedError,
    DeadlineError,
    HardwareError,
    JobFailedError,
    LedgerError,
    RateLimitedError,
    RetryableError,
)
from qhw.jobs.patience import Patience
from qhw.jobs.request import JobRequest, Unit
from qhw.jobs.work import Progress, WorkSettings
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import Cloud, Fault
from tests.ibm_cloud.nairobi import CIRCUIT, OpenNairobi, ask_at

POST = ("POST", "/jobs")
IMPATIENT = Patience(call_seconds=20, submit_seconds=20, attempts=3)
Open = Callable[..., DeviceBackend]


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def open_backend(open_nairobi: OpenNairobi, clock: SteppedClock) -> Open:
    """Open it for a run that goes on by `qhw run x --resume`."""

    def opening(
        run_id: str = "run",
        mitigation: str = "none",
        patience: Patience = IMPATIENT,
        settings: WorkSettings | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
        **hardware: object,
    ) -> DeviceBackend:
        requester = Requester(
            run_id=run_id,
            command="qhw run x --resume",
            clock=clock,
            settings=settings or WorkSettings(),
            patience=patience,
            tell=tell,
        )
        return open_nairobi(requester, mitigation, **hardware)

    return opening


def ask(backend: DeviceBackend, step: int = 0, rows: int = 2, turn: float = 0.0) -> FloatArray:
    return ask_at(backend, step, b"state", rows, turn)


def tag(step: int = 0) -> str:
    return Unit("run", "images", 0, step, 0).tag


def test_a_unit_is_paid_once_and_recalled_for_nothing(
    small_cloud: Cloud, open_backend: Open
) -> None:
    first = ask(open_backend())
    backend = open_backend()
    again = ask(backend)
    assert np.array_equal(first, again)
    assert small_cloud.requests(*POST) == 1
    assert small_cloud.paid()[tag()] == 1
    assert backend.work.ledger.spent("run").qpu_seconds == small_cloud.billed_seconds


def test_a_replay_that_asks_something_else_is_stopped(
    small_cloud: Cloud, open_backend: Open
) -> None:
    ask(open_backend())
    with pytest.raises(LedgerError, match="does not replay"):
        ask(open_backend(), turn=1e-6)
    assert small_cloud.requests(*POST) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(*POST, accept=True, status=503),
        Fault(*POST, accept=True, status=500),
        Fault(*POST, accept=True, cut=True),
    ],
    ids=["503", "500", "cut"],
)
def test_a_job_accepted_without_an_answer_is_found_by_its_tag(
    fault: Fault, small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.inject(fault)
    ask(open_backend())
    assert small_cloud.requests(*POST) == 1
    assert len(small_cloud.jobs) == 1
    assert small_cloud.paid()[tag()] == 1


@pytest.mark.parametrize(
    "fault", [Fault(*POST, status=502), Fault(*POST, cut=True)], ids=["502", "cut"]
)
def test_a_lost_submission_is_sent_once_more_after_a_quarantine(
    fault: Fault, small_cloud: Cloud, open_backend: Open, clock: SteppedClock
) -> None:
    small_cloud.inject(fault)
    backend = open_backend()
    began = clock.now()
    ask(backend)
    assert clock.now() - began >= 60
    assert small_cloud.requests(*POST) == 2
    assert small_cloud.paid()[tag()] == 1
    states = [entry.state for entry in backend.work.ledger.attempts(Unit("run", "images", 0, 0, 0))]
    assert states == ["superseded", "done"]
    assert backend.work.ledger.spent("run").jobs == 1


def test_submissions_that_are_lost_again_and_again_are_given_up(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.inject(Fault(*POST, status=502, times=-1))
    with pytest.raises(AmbiguousSubmitError, match="3 times without a clear answer"):
        ask(open_backend())
    assert small_cloud.requests(*POST) == 3
    assert not small_cloud.jobs


def test_a_submission_that_hangs_is_found_when_it_was_accepted(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.inject(Fault(*POST, accept=True, hang=3.0))
    backend = open_backend(patience=replace(IMPATIENT, submit_seconds=1.0))
    ask(backend)
    assert len(small_cloud.jobs) == 1
    assert small_cloud.paid()[tag()] == 1


def test_a_job_found_twice_is_cancelled_and_written_down(
    small_cloud: Cloud, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy sent the POST twice: the platform has two jobs with the unit's tag."""
    backend = open_backend()
    submit = backend.work.runner.runner.submit

    def twice(request: JobRequest) -> str:
        small_cloud.queue_polls = 3
        submit(request)
        small_cloud.queue_polls = 0
        return submit(request)

    monkeypatch.setattr(backend.work.runner.runner, "submit", twice)
    ask(backend)
    assert sorted(job.state for job in small_cloud.jobs.values()) == ["Cancelled", "Completed"]
    (double,) = backend.work.ledger.duplicates("run")
    assert double.action == "cancelled"
    assert small_cloud.paid()[tag()] == 1


def test_a_storm_of_refusals_is_weathered(
    small_cloud: Cloud, open_backend: Open, clock: SteppedClock
) -> None:
    small_cloud.inject(Fault(*POST, status=429, times=4, retry_after=1))
    backend = open_backend()
    ask(backend)
    assert small_cloud.requests(*POST) == 5
    assert small_cloud.paid()[tag()] == 1
    assert backend.work.ledger.spent("run").jobs == 1
    assert sum(clock.slept) > 60


def test_an_endless_storm_is_reported(small_cloud: Cloud, open_backend: Open) -> None:
    small_cloud.inject(Fault(*POST, status=429, times=-1))
    with pytest.raises(RateLimitedError):
        ask(open_backend(settings=WorkSettings(refusals=3)))
    assert small_cloud.requests(*POST) == 4
    assert not small_cloud.jobs


def test_a_poll_that_hangs_is_asked_again(small_cloud: Cloud, open_backend: Open) -> None:
    small_cloud.inject(Fault("GET", r"/jobs/[^/]+", hang=10.0))
    ask(open_backend(patience=replace(IMPATIENT, call_seconds=1.0)))
    assert small_cloud.paid()[tag()] == 1


@pytest.mark.parametrize("body", ["empty", "truncated", "nan"])
def test_a_result_lost_once_is_asked_for_again(
    body: str, small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.inject(Fault("GET", r"/jobs/.+/results", body=body))
    values = ask(open_backend())
    assert np.isfinite(values).all()
    assert small_cloud.requests(*POST) == 1


def test_a_result_that_never_comes_names_the_job(small_cloud: Cloud, open_backend: Open) -> None:
    small_cloud.inject(Fault("GET", r"/jobs/.+/results", body="truncated", times=-1))
    backend = open_backend()
    with pytest.raises(RetryableError) as raised:
        ask(backend)
    assert next(iter(small_cloud.jobs)) in raised.value.message
    small_cloud.faults.clear()
    ask(open_backend())
    assert small_cloud.requests(*POST) == 1


def test_a_failed_job_is_told_verbatim_and_sent_again_only_when_asked(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.fail_with = (6050, "The instruction sxdg is not supported")
    with pytest.raises(JobFailedError, match=r"sxdg is not supported.*6050|6050.*sxdg"):
        ask(open_backend())
    assert small_cloud.requests(*POST) == 1
    small_cloud.fail_with = None
    ask(open_backend())
    assert small_cloud.requests(*POST) == 2


def test_a_job_that_would_wait_for_ever_is_reported_in_time(
    small_cloud: Cloud, open_backend: Open, clock: SteppedClock
) -> None:
    small_cloud.stuck = True
    backend = open_backend(job_wait=900.0)
    began = clock.now()
    with pytest.raises(DeadlineError, match=r"still queued.*after 900 s"):
        ask(backend)
    assert clock.now() - began <= 1000
    for job in small_cloud.jobs.values():
        job.stuck = False
    ask(open_backend())
    assert small_cloud.requests(*POST) == 1


def test_the_plans_last_seconds_are_not_passed(small_cloud: Cloud, open_backend: Open) -> None:
    small_cloud.used_seconds = 599.0
    with pytest.raises((BudgetReachedError, HardwareError), match="QPU"):
        ask(open_backend())
    assert small_cloud.requests(*POST) == 0


def test_a_budget_stops_before_the_submission_that_would_pass_it(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(max_qpu_seconds=5.0)
    for step in range(2):
        ask(backend, step)
    with pytest.raises(BudgetReachedError, match="max-qpu-seconds 5") as raised:
        ask(backend, 2)
    assert raised.value.exit_code == 3
    assert "qhw run x --resume --max-qpu-seconds 7" in raised.value.hint
    assert small_cloud.requests(*POST) == 2
    ask(open_backend(max_qpu_seconds=7.0), 2)
    assert small_cloud.requests(*POST) == 3


def test_a_limit_in_dollars_counts_at_the_given_price(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(max_cost=30.0, price=10.0)  # 3 QPU s; a job takes 2.04
    ask(backend, 0)
    with pytest.raises(BudgetReachedError, match="max-cost 30"):
        ask(backend, 1)
    ask(open_backend(max_cost=30.0, price=5.0), 1)
    assert small_cloud.requests(*POST) == 2


def test_an_expired_session_is_opened_anew_and_closed(
    paid_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(mode="session")
    ask(backend, 0)
    paid_cloud.expire_sessions()
    ask(backend, 1)
    assert len(paid_cloud.sessions) == 2
    assert len(paid_cloud.open_sessions) == 1
    backend.close()
    assert not paid_cloud.open_sessions


def test_a_session_that_may_be_open_is_told_while_the_work_goes_on(
    paid_cloud: Cloud, open_nairobi: OpenNairobi, clock: SteppedClock
) -> None:
    said: list[str] = []
    paid_cloud.inject(Fault("POST", "/sessions", accept=True, cut=True))
    requester = Requester("run", clock=clock, announce=said.append)
    backend = open_nairobi(requester, "none", mode="session")
    ask(backend)
    backend.close()
    assert len(paid_cloud.open_sessions) == 1
    (line,) = said
    assert "may be open on ibm_nairobi" in line
    assert "https://quantum.cloud.ibm.com" in line


def test_a_session_left_open_by_a_dead_process_is_closed(
    paid_cloud: Cloud, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(open_backend(mode="session"), 0)
    (left,) = paid_cloud.open_sessions
    monkeypatch.setattr("qhw.jobs.reconciling.owner_alive", lambda owner: False)
    open_backend(mode="session")
    assert left not in paid_cloud.open_sessions


def test_another_live_process_keeps_its_intent(
    small_cloud: Cloud, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_cloud.inject(Fault(*POST, status=502, times=-1))
    with pytest.raises(AmbiguousSubmitError):
        ask(open_backend(settings=WorkSettings(attempts=1)))
    small_cloud.faults.clear()
    monkeypatch.setattr("qhw.jobs.reconciling.this_owner", lambda: "elsewhere:1:1")
    with pytest.raises(LedgerError, match="Another process"):
        ask(open_backend())
    assert small_cloud.requests(*POST) == 1


def test_pending_jobs_of_a_dead_run_do_not_block_for_ever(
    small_cloud: Cloud, open_backend: Open
) -> None:
    """Three jobs were submitted and never collected; on the platform they ended long ago."""
    small_cloud.stuck = True
    for number in range(3):
        with pytest.raises(DeadlineError):
            ask(open_backend(f"dead-{number}", job_wait=1.0))
    small_cloud.stuck = False
    for job in small_cloud.jobs.values():
        job.stuck = False
    small_cloud.settle()
    ask(open_backend())
    assert small_cloud.paid()[tag()] == 1


def test_no_more_than_five_submissions_a_minute_on_the_open_plan(
    small_cloud: Cloud, open_backend: Open, clock: SteppedClock
) -> None:
    backend = open_backend()
    times = []
    for step in range(7):
        ask(backend, step)
        times.append(clock.now())
    assert times[5] - times[0] >= 59
    assert small_cloud.requests(*POST) == 7


def test_a_recalibration_is_probed_not_refitted_unless_it_must_be(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(mitigation="affine")
    ask(backend, 0)
    assert jobs_of(backend, "calibration") == 1
    small_cloud.recalibrate("ibm_nairobi", 1.02, "2026-11-20T08:00:00+00:00")
    ask(backend, 1)
    ask(backend, 2)
    assert jobs_of(backend, "calibration") == 2
    assert "still fits" in str(backend.facts().words()["affine probe"])
    small_cloud.recalibrate("ibm_nairobi", 3.0, "2026-11-21T08:00:00+00:00")
    ask(backend, 3)
    ask(backend, 4)
    assert jobs_of(backend, "calibration") == 4
    digests = {e.calibration_digest for e in backend.work.ledger.entries(run="run")}
    assert len(digests) == 3


def jobs_of(backend: DeviceBackend, phase: str) -> int:
    entries = backend.work.ledger.entries(run="run")
    return sum(entry.unit.phase == phase for entry in entries)


def test_the_display_is_told_the_queue_and_the_budget(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.queue_polls = 2
    told: list[Progress] = []
    ask(open_backend(tell=told.append, max_qpu_seconds=100.0))
    states = [progress.state for progress in told]
    assert states[:2] == ["looking it up", "submitting"]
    assert "queued" in states
    assert states[-1] == "kept"
    assert told[-1].spent_seconds == pytest.approx(small_cloud.billed_seconds)
    assert told[-1].left_seconds == pytest.approx(100 - small_cloud.billed_seconds)


def test_the_circuit_is_sent_as_it_is_cached(small_cloud: Cloud, open_backend: Open) -> None:
    backend = open_backend(mitigation="zne")
    ask(backend)
    counts = [backend.mitigation.circuit_at(scale).two_qubit_gates for scale in (1, 3)]
    assert counts[1] == 3 * counts[0]
    circuits, shots = small_cloud.executed
    assert (circuits, shots) == (4, 4 * 64)
    assert len(small_cloud.jobs) == 1


@pytest.mark.parametrize("mitigation", ["none", "native"])
def test_what_a_job_is_quoted_at_is_what_it_is_billed(
    mitigation: str, small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(mitigation=mitigation)
    ask(backend)
    (entry,) = backend.work.ledger.entries(run="run")
    assert entry.quoted_seconds == pytest.approx(small_cloud.billed_seconds)
    assert entry.usage_seconds == pytest.approx(small_cloud.billed_seconds)


def test_measured_readout_errors_take_one_job_of_two_circuits(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(mitigation="readout", readout_errors="measured")
    ask(backend)
    assert small_cloud.executed[0] == 2 + 2
    assert "measured" in str(backend.facts().words()["read-out errors"])


def test_refusals_do_not_use_up_the_second_chance_of_a_lost_submission(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.inject(Fault(*POST, status=429, times=3))
    small_cloud.inject(Fault(*POST, status=502))
    ask(open_backend())
    assert small_cloud.requests(*POST) == 5
    assert small_cloud.paid()[tag()] == 1


def test_what_was_given_up_is_sent_when_the_platform_is_back(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.inject(Fault(*POST, status=502, times=3))
    with pytest.raises(AmbiguousSubmitError, match="--resume"):
        ask(open_backend())
    ask(open_backend())
    assert small_cloud.requests(*POST) == 4
    assert small_cloud.paid()[tag()] == 1


def test_what_was_refused_before_it_left_is_not_counted(
    small_cloud: Cloud, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend()

    def unseen(request: object) -> str:
        raise BackendUnavailableError("ibm_nairobi is none of this account's", "Take another.")

    monkeypatch.setattr(backend.work.runner.runner, "submit", unseen)
    with pytest.raises(BackendUnavailableError):
        ask(backend)
    assert backend.work.ledger.spent("run").jobs == 0
    ask(open_backend())
    assert small_cloud.requests(*POST) == 1


def test_what_ended_since_the_plan_was_asked_is_taken_off_it(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.used_seconds = 595.0  # a job takes 2.04 QPU s
    backend = open_backend()
    ask(backend, 0)
    ask(backend, 1)
    with pytest.raises(BudgetReachedError, match="1 QPU s left"):
        ask(backend, 2)
    assert small_cloud.requests(*POST) == 2


def test_a_clock_that_is_set_back_holds_nothing_up(
    small_cloud: Cloud, open_backend: Open, clock: SteppedClock
) -> None:
    for step in range(5):
        ask(open_backend(), step)
    clock.seconds -= 86_400
    small_cloud.inject(Fault(*POST, accept=True, status=503))
    began = clock.now()
    ask(open_backend(), 5)
    assert clock.now() - began < 300
    assert small_cloud.requests(*POST) == 6


def test_a_device_recalibrated_before_the_first_step_is_probed_on_resume(
    small_cloud: Cloud, open_backend: Open
) -> None:
    open_backend(mitigation="affine").prepare()
    small_cloud.recalibrate("ibm_nairobi", 1.02, "2026-11-20T08:00:00+00:00")
    backend = open_backend(mitigation="affine")
    ask(backend)
    assert jobs_of(backend, "calibration") == 2
    assert "still fits" in str(backend.facts().words()["affine probe"])


@pytest.mark.parametrize("source", ["published", "measured"])
def test_a_resumed_run_keeps_the_readout_errors_it_began_with(
    source: str, small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend(mitigation="readout", readout_errors=source)
    values = ask(first)
    calibrations = jobs_of(first, "calibration")
    small_cloud.recalibrate("ibm_nairobi", 2.0, "2026-11-20T08:00:00+00:00")
    resumed = open_backend(mitigation="readout", readout_errors=source)
    resumed.restore_random_state(first.random_state())
    assert np.array_equal(ask(resumed), values)
    assert jobs_of(resumed, "calibration") == calibrations
    assert resumed.facts().words()["read-out errors"] == first.facts().words()["read-out errors"]


def test_another_evaluation_is_not_answered_by_an_old_probe(
    small_cloud: Cloud, open_backend: Open
) -> None:
    trained = open_backend(mitigation="affine")
    ask(trained)
    state = trained.random_state()
    for day, latents in ((20, 20), (21, 40)):
        small_cloud.recalibrate("ibm_nairobi", 1.01, f"2026-11-{day}T08:00:00+00:00")
        backend = open_backend(mitigation="affine")
        backend.restore_random_state(state)
        for step in range(2):
            backend.stand_at(Position(f"evaluation-{latents}", 5, step), b"state")
            backend.evaluate(np.zeros((2, CIRCUIT.num_angles)), np.zeros((1, CIRCUIT.num_weights)))
        assert jobs_of(backend, f"calibration-{latents}") == 1
