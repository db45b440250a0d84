from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from qiskit import QuantumCircuit
from typer.testing import CliRunner, Result

from qhw.budget.limits import Budget, Limits
from qhw.cli.jobs import jobs_app
from qhw.errors import ConfigError, HardwareError, QhwError, UnknownNameError
from qhw.jobs.clock import SystemClock
from qhw.jobs.ledger import Entry, Intent, Ledger
from qhw.jobs.local.runner import LocalRunner
from qhw.jobs.patience import Patience, PatientRunner
from qhw.jobs.request import JobRequest, Pub, Unit
from qhw.jobs.runner import JobReport, JobRunner, PubValues
from qhw.jobs.work import PaidWork
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import TOKEN, Cloud, Fault

RUN = "3f2a9c1e88aa77bb"
UNIT = Unit(RUN, "rollout", 1, 7, 0)
GONE = "elsewhere:1:1"
INTENT = Intent("d" * 32, "ibm_fez", "", ((64, 4),), shots=1024, quoted_seconds=24.9)
VALUES = (PubValues(np.full((64, 4), 0.25), np.full((64, 4), 0.01)),)
IBM_ID = "d4qk8c1r0j2s73e5{:04}"
LOCAL_ID = "local-18eb1c7ce0fd5b77{:08x}"


@pytest.fixture(autouse=True)
def private_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.of_user(SteppedClock()) as opened:
        yield opened


def jobs(*arguments: str, answer: str | None = None) -> str:
    """Output of a command that succeeds."""
    result = invoked(*arguments, answer=answer)
    assert result.exception is None, result.exception
    return told(result)


def refused(kind: type[QhwError], *arguments: str) -> QhwError:
    """The error of a command that does not."""
    error = invoked(*arguments).exception
    assert type(error) is kind, error
    assert error.exit_code == 2
    return error


def invoked(*arguments: str, answer: str | None = None) -> Result:
    result = CliRunner().invoke(jobs_app, list(arguments), input=answer)
    assert all(len(line) <= 80 for line in result.output.splitlines()), result.output
    return result


def told(result: Result) -> str:
    """The output in one line, so that folding does not matter."""
    return " ".join(result.output.split())


class Fake(NamedTuple):
    """`fake_fez`, and a request for it."""

    runner: LocalRunner
    request: JobRequest


@pytest.fixture
def fake() -> Fake:
    circuit = QuantumCircuit(156)
    circuit.x(1)
    pub = Pub(circuit, (0, 1), np.zeros((3, 0)))
    return Fake(LocalRunner("fake_fez"), JobRequest((pub,), 64))


def intended(ledger: Ledger, unit: Unit, device: str, request: JobRequest) -> Entry:
    intent = Intent(request.digest, device, "", request.shapes, request.shots, 2.1)
    return ledger.intend(unit, intent, None)


def sent(ledger: Ledger, runner: JobRunner, request: JobRequest, unit: Unit = UNIT) -> str:
    """As a run does that is killed right after it."""
    entry = intended(ledger, unit, runner.device, request)
    job_id = runner.submit(request.tagged(unit.tag))
    ledger.submitted(entry.id, job_id)
    return job_id


def kept(ledger: Ledger, job_id: str) -> Entry:
    entry = ledger.find_job(job_id)
    assert entry is not None
    return entry


def orphaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intents written from here on are those of a process that has ended."""
    monkeypatch.setattr("qhw.jobs.ledger.ledger.this_owner", lambda: GONE)
    monkeypatch.setattr("qhw.jobs.reconciling.owner_alive", lambda _: False)


# --- list --------------------------------------------------------------------------------------


def test_an_empty_ledger_says_how_a_job_comes_to_be() -> None:
    assert "No jobs yet. `qhw train` and `qhw run` send some with --backend fake_fez" in jobs(
        "list"
    )


def written(ledger: Ledger, step: int, job_id: str, usage: float | None = 23.4) -> Entry:
    entry = ledger.intend(replace(UNIT, step=step), INTENT, None)
    ledger.submitted(entry.id, job_id)
    ledger.done(entry.id, VALUES, JobReport(job_id, "done", usage_seconds=usage), "")
    return entry


def test_jobs_stand_below_day_run_and_device(ledger: Ledger) -> None:
    written(ledger, 0, IBM_ID.format(0))
    output = invoked("list").output.splitlines()
    assert output[0].split() == ["UTC", "phase/update/step/part", "state", "QPU", "s", "job"]
    assert output[1] == "2027-01-15 run 3f2a9c1e on ibm_fez"
    assert output[2].split() == ["08:00", "rollout/1/0/0", "done", "23.4", IBM_ID.format(0)]
    assert len(output) == 3, "nothing is pending, so there is nothing to say"


def test_what_is_longest_fits_80_columns(ledger: Ledger) -> None:
    unit = Unit(RUN, "calibration", 12, 20, 10)
    device = replace(INTENT, device="ibm_pittsburgh", quoted_seconds=1234.5)
    first = ledger.intend(unit, device, None)
    ledger.failed(first.id, None, "refused")
    second = ledger.intend(unit, replace(device, earlier=first.id), None)
    ledger.submitted(second.id, LOCAL_ID.format(1))
    ledger.duplicate(second.id, JobReport(LOCAL_ID.format(2), "cancelled"), "cancelled")
    output = invoked("list").output.splitlines()
    assert max(map(len, output)) <= 80
    replaced, again, double = output[2:5]
    assert replaced.split()[1:] == ["calibration/12/20/10", "superseded", "-", "no", "job"]
    assert again.split()[1:5] == ["calibration/12/20/10", "#2", "submitted", "~1234.5"]
    assert "sent twice by mistake" in double
    assert double.endswith(LOCAL_ID.format(2))


def test_old_jobs_are_left_out_but_not_pending_ones(ledger: Ledger) -> None:
    entry = ledger.intend(replace(UNIT, step=99), INTENT, None)
    ledger.submitted(entry.id, "pending-job")
    for step in range(25):
        written(ledger, step, IBM_ID.format(step))
    output = jobs("list")
    assert "pending-job" in output
    assert "5 earlier jobs more: `qhw jobs list --all`" in output
    assert "1 job submitted: `qhw jobs collect`" in output
    assert IBM_ID.format(4) not in output
    everything = jobs("list", "--all")
    assert IBM_ID.format(4) in everything
    assert everything.index(IBM_ID.format(4)) < everything.index(IBM_ID.format(24))


def test_one_run_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    written(ledger, 0, "ours")
    other = ledger.intend(replace(UNIT, run="bb" * 8), INTENT, None)
    ledger.submitted(other.id, "theirs")
    assert "theirs" not in jobs("list", "--run", "3f2a")
    error = refused(UnknownNameError, "list", "--run", "3f2b")
    assert "no run with jobs named '3f2b'" in error.message


def test_an_intent_and_an_open_session_are_explained(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.intend(UNIT, INTENT, None)
    ledger.group_opened("s1", "session", "ibm_fez", RUN)
    assert "s1" not in jobs("list"), "its process is at work"
    monkeypatch.setattr("qhw.commands.jobs_list.owner_alive", lambda _: False)
    output = jobs("list")
    assert "1 intent without a job" in output
    assert "session s1 on ibm_fez was left open: `qhw jobs cancel --run 3f2a9c1e`" in output


# --- show --------------------------------------------------------------------------------------


def test_everything_is_told_of_a_job(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    jobs("collect", job_id)
    output = jobs("show", job_id)
    for fact in (
        f"job {job_id} state done",
        "rollout, update 1, step 8 (rollout/1/7/0)",
        f"run {RUN} device fake_fez",
        "3 circuits x 64 shots; values 3 x 2",
        fake.request.digest,
        "2.1 s billed, 2.1 s quoted",
        "2027-01-15 08:00:00 UTC intent",
        "UTC created",
        "UTC finished",
        "calibration 2025-02-26 20:16:25 UTC",
        "which still runs",
    ):
        assert fact in output
    assert "says now" not in output, "a job that has ended needs no question"


def test_programs_read_what_came_of_a_job(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    (collected,) = json.loads(invoked("collect", "--json").stdout)
    assert collected["job"] == job_id
    assert collected["outcome"].startswith("done")
    shown = json.loads(invoked("show", job_id, "--json").stdout)
    assert shown["job"] == [job_id]
    assert shown["state"] == ["done"]
    assert len(shown["ledger"]) == 3


def test_a_pending_job_is_asked_about_by_the_beginning_of_its_id(
    ledger: Ledger, fake: Fake
) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    output = jobs("show", job_id[:12])
    assert "fake_fez says now: done, 2.1 QPU s" in output
    assert f"`qhw jobs collect {job_id}` writes that down" in output
    assert kept(ledger, job_id).state == "submitted", "showing changes nothing"


def test_a_device_out_of_reach_leaves_what_the_ledger_knows(ledger: Ledger) -> None:
    entry = ledger.intend(UNIT, INTENT, None)
    ledger.submitted(entry.id, "d1")
    output = jobs("show", "d1")
    assert "state submitted" in output
    assert "ibm_fez cannot be asked now" in output
    assert "QISKIT_IBM_TOKEN" in output


def test_why_a_job_failed_and_what_came_after(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, None)
    ledger.submitted(first.id, "d1")
    report = JobReport("d1", "cancelled", usage_seconds=300.0, reason="Ran too long (code 1305)")
    ledger.failed(first.id, report, "")
    second = ledger.intend(UNIT, replace(INTENT, earlier=first.id), None)
    ledger.submitted(second.id, "d2")
    ledger.duplicate(second.id, JobReport("d3", "done", usage_seconds=9.0), "had ended")
    output = jobs("show", "d1")
    assert "superseded (the platform: cancelled) why Ran too long (code 1305)" in output
    assert "also attempt 2: d2, submitted" in output
    double = jobs("show", "d3")
    assert "done; sent twice by mistake, had ended, its values not used" in double
    assert "instead d2, submitted" in double
    assert "9.0 s billed" in double


def test_what_looks_like_markup_is_shown_as_it_is(ledger: Ledger) -> None:
    entry = ledger.intend(UNIT, INTENT, None)
    ledger.submitted(entry.id, "d1")
    ledger.failed(entry.id, JobReport("d1", "failed", reason="[red]no[/bold]"), "")
    assert "[red]no[/bold]" in jobs("show", "d1")


def test_a_job_that_is_not_there(ledger: Ledger) -> None:
    written(ledger, 0, "d4qk8c")
    written(ledger, 1, "d4qk8d")
    error = refused(UnknownNameError, "show", "d4qk9c")
    assert "Did you mean d4qk8c" in error.hint
    assert "`qhw jobs list --all`" in error.hint
    assert "beginning of 2 ids: d4qk8c, d4qk8d" in refused(UnknownNameError, "show", "d4").message


# --- collect -----------------------------------------------------------------------------------


def test_a_collected_result_answers_the_resumed_run(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    output = jobs("collect")
    assert f"{job_id} rollout/1/7/0: done, 2.1 QPU s; kept" in output
    entry = kept(ledger, job_id)
    assert entry.state == "done"
    assert entry.usage_seconds == pytest.approx(2.0672)
    assert "fake_fez" in ledger.calibration(entry.calibration_digest)
    clock = SteppedClock()
    runner = PatientRunner(fake.runner, Patience(), clock, random.Random(0))
    work = PaidWork(runner, ledger, Budget(Limits(max_jobs=1), 1.6, 2.1, 1, ""), clock)
    answer = work.perform(UNIT, fake.request, None)
    (expected,) = fake.runner.collect(job_id, fake.request.shapes)
    assert np.array_equal(answer.values[0].values, expected.values)
    assert len(fake.runner.find(UNIT.tag)) == 1


def test_nothing_to_collect(ledger: Ledger) -> None:
    assert "Nothing is pending" in jobs("collect")
    written(ledger, 0, "d1")
    assert "Nothing is pending" in jobs("collect", "d1")
    assert "one or the other" in refused(ConfigError, "collect", "d1", "--run", RUN).message


def test_a_failed_job_is_written_down_as_failed(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, replace(fake.request, max_seconds=1))
    assert "failed, 1.0 QPU s: it takes 2 QPU s, and its limit is 1 s" in jobs("collect")
    entry = kept(ledger, job_id)
    assert entry.state == "failed"
    assert "its limit is 1 s" in entry.platform["reason"]


def test_a_lost_job_is_found_by_its_tag(
    ledger: Ledger, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphaned(monkeypatch)
    intended(ledger, UNIT, "fake_fez", fake.request)
    lost, double = (fake.runner.submit(fake.request.tagged(UNIT.tag)) for _ in range(2))
    assert f"{lost} rollout/1/7/0: done" in jobs("collect")
    assert kept(ledger, lost).state == "done"
    (duplicate,) = ledger.duplicates()
    assert (duplicate.report.job_id, duplicate.action) == (double, "cancelled")


def test_an_intent_without_a_job_is_left_to_its_run(
    ledger: Ledger, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphaned(monkeypatch)
    entry = intended(ledger, UNIT, "fake_fez", fake.request)
    assert "rollout/1/7/0: the platform has no job of it; --resume sends it" in jobs("collect")
    latest = ledger.latest(UNIT)
    assert latest == entry


def test_what_fails_does_not_keep_the_rest(ledger: Ledger, fake: Fake) -> None:
    other = ledger.intend(replace(UNIT, step=8), INTENT, None)
    ledger.submitted(other.id, "d1")
    job_id = sent(ledger, fake.runner, fake.request)
    error = refused(HardwareError, "collect")
    assert error.message.startswith("1 of 2 jobs could not be settled. d1 rollout/1/8/0:")
    assert kept(ledger, job_id).state == "done"


def test_an_intent_in_other_hands_is_not_touched(
    ledger: Ledger, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhw.jobs.ledger.ledger.this_owner", lambda: GONE)
    with Ledger.of_user(SystemClock()) as now:
        intended(now, UNIT, "fake_fez", fake.request)
    assert "is being sent by process elsewhere" in refused(HardwareError, "collect").message


# --- cancel ------------------------------------------------------------------------------------


def test_a_cancelled_job_is_never_computed(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    assert f"{job_id} rollout/1/7/0: cancelled, 0.0 QPU s" in jobs("cancel", job_id, "--yes")
    entry = kept(ledger, job_id)
    assert (entry.state, entry.usage_seconds) == ("failed", 0.0)
    assert entry.platform["status"] == "cancelled"
    assert fake.runner.calibration(job_id) == ""
    assert "not pending" in refused(ConfigError, "cancel", job_id, "--yes").message


def test_it_asks_first(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    declined = CliRunner().invoke(jobs_app, ["cancel", job_id], input="n\n")
    assert declined.exit_code == 1
    assert f"To be cancelled: {job_id} rollout/1/7/0. Process" in told(declined)
    assert "A run that is resumed sends them again. Cancel? [y/N]" in told(declined)
    assert "Nothing was cancelled" in told(declined)
    assert CliRunner().invoke(jobs_app, ["cancel", job_id], input="").exit_code == 1
    assert kept(ledger, job_id).state == "submitted"
    jobs("cancel", job_id, answer="y\n")
    assert kept(ledger, job_id).state == "failed"


def test_a_job_that_has_ended_is_kept_instead(ledger: Ledger, fake: Fake) -> None:
    job_id = sent(ledger, fake.runner, fake.request)
    fake.runner.report(job_id)
    assert "it had ended before, and its result is kept" in jobs("cancel", job_id, "-y")
    assert kept(ledger, job_id).state == "done"


def test_a_whole_run(ledger: Ledger, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    units = [replace(UNIT, step=step) for step in range(2)]
    mine = [sent(ledger, fake.runner, fake.request, unit) for unit in units]
    other = sent(ledger, fake.runner, fake.request, replace(UNIT, run="bb" * 8))
    ledger.group_opened("s1", "batch", "ibm_fez", RUN)
    closed: list[str] = []
    monkeypatch.setattr("qhw.jobs.reconciling.owner_alive", lambda _: False)
    monkeypatch.setattr("qhw.jobs.ibm.account.close_group", closed.append)
    assert "The batch s1 is closed" in jobs("cancel", "--run", "3f2a", "--yes")
    assert [kept(ledger, job_id).state for job_id in mine] == ["failed", "failed"]
    assert kept(ledger, other).state == "submitted"
    assert (closed, ledger.open_groups()) == (["s1"], [])
    assert "Nothing is pending" in jobs("cancel", "--run", "3f2a", "--yes")


@pytest.mark.parametrize(("age", "end"), [(0, "intent"), (120, "failed")])
def test_an_intent_is_given_up_when_no_job_can_appear_any_more(
    age: int, end: str, ledger: Ledger, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphaned(monkeypatch)
    with Ledger.of_user(SteppedClock(time.time() - age)) as earlier:
        intended(earlier, UNIT, "fake_fez", fake.request)
    output = jobs("cancel", "--run", RUN, "--yes")
    assert ("one may still appear" if end == "intent" else "no job of it; given up") in output
    (entry,) = ledger.entries()
    assert entry.state == end
    assert ledger.spent(RUN).jobs == (1 if end == "intent" else 0)


def test_cancel_wants_to_know_what() -> None:
    assert "Cancel what?" in refused(ConfigError, "cancel", "--yes").message
    assert "one or the other" in refused(ConfigError, "cancel", "d1", "--run", RUN).message


# --- on the platform ---------------------------------------------------------------------------


@pytest.fixture
def nairobi(small_cloud: Cloud) -> tuple[Cloud, JobRunner]:
    from qhw.jobs.ibm.runner import IbmRunner

    return small_cloud, IbmRunner.open("ibm_nairobi")


def nairobi_request() -> JobRequest:
    circuit = QuantumCircuit(7)
    circuit.x(1)
    return JobRequest((Pub(circuit, (0, 1), np.zeros((3, 0))),), 64)


def test_a_job_of_the_platform_is_collected(
    ledger: Ledger, nairobi: tuple[Cloud, JobRunner]
) -> None:
    cloud, runner = nairobi
    cloud.queue_polls = 3
    job_id = sent(ledger, runner, nairobi_request())
    assert f"{job_id} rollout/1/7/0: still queued, 0 ahead" in jobs("collect")
    assert "ibm_nairobi says now: queued" in jobs("show", job_id)
    cloud.settle()
    assert f"{job_id} rollout/1/7/0: done" in jobs("collect")
    entry = kept(ledger, job_id)
    assert entry.usage_seconds == pytest.approx(cloud.billed_seconds)
    (values,) = ledger.result(entry)
    assert values.values.shape == (3, 2)
    assert "calibration 2024-" in jobs("show", job_id)
    assert cloud.paid()[UNIT.tag] == 1


def test_the_platforms_words_are_kept(ledger: Ledger, nairobi: tuple[Cloud, JobRunner]) -> None:
    cloud, runner = nairobi
    cloud.fail_with = (8014, f"The device said no to {TOKEN}")
    job_id = sent(ledger, runner, nairobi_request())
    output = jobs("collect")
    assert "failed, 0.0 QPU s: The device said no to *** (code 8014)" in output
    assert "(code 8014)" in jobs("show", job_id)
    assert TOKEN not in output


def test_a_job_that_waits_for_ever_is_cancelled(
    ledger: Ledger, nairobi: tuple[Cloud, JobRunner]
) -> None:
    cloud, runner = nairobi
    cloud.stuck = True
    job_id = sent(ledger, runner, nairobi_request())
    assert f"{job_id} rollout/1/7/0: cancelled" in jobs("cancel", "--run", RUN, "--yes")
    assert kept(ledger, job_id).state == "failed"
    assert cloud.jobs[job_id].state == "Cancelled"
    assert ledger.spent(RUN).qpu_seconds == 0.0


def test_a_platform_that_is_out_of_reach(ledger: Ledger, nairobi: tuple[Cloud, JobRunner]) -> None:
    cloud, runner = nairobi
    job_id = sent(ledger, runner, nairobi_request())
    cloud.tokens.clear()
    assert "ibm_nairobi cannot be asked now" in jobs("show", job_id)
    error = refused(HardwareError, "collect")
    assert "could not be settled" in error.message
    assert TOKEN not in str(error)
    assert kept(ledger, job_id).state == "submitted"


# --- give up -----------------------------------------------------------------------------------

RESULTS = "/jobs/[^/]+/results"


def test_a_job_that_stays_unreadable_is_given_up_by_name(
    ledger: Ledger, nairobi: tuple[Cloud, JobRunner]
) -> None:
    cloud, runner = nairobi
    first, second = (
        sent(ledger, runner, nairobi_request(), replace(UNIT, step=step)) for step in range(2)
    )
    cloud.inject(Fault("GET", RESULTS, body="truncated", times=-1))
    assert f"`qhw jobs give-up {first}`" in refused(HardwareError, "collect", first).hint
    output = jobs("give-up", first, answer="y")
    assert "sends it again, for about" in output
    assert "given up; the command that sent it" in output
    given, other = kept(ledger, first), kept(ledger, second)
    assert (given.state, other.state) == ("failed", "submitted")
    assert given.usage_seconds == cloud.jobs[first].seconds
    assert not given.given_up, "its job is known, and not looked for"
    assert "given up by the user" in given.platform["reason"]
    assert "nothing to give up" in refused(ConfigError, "give-up", first, "--yes").message


def test_a_result_that_can_be_read_after_all_is_kept(
    ledger: Ledger, nairobi: tuple[Cloud, JobRunner]
) -> None:
    _, runner = nairobi
    job_id = sent(ledger, runner, nairobi_request())
    assert "it could be read, and is kept" in jobs("give-up", job_id, "--yes")
    assert kept(ledger, job_id).state == "done"


def test_a_job_that_has_not_ended_is_not_given_up(
    ledger: Ledger, nairobi: tuple[Cloud, JobRunner]
) -> None:
    cloud, runner = nairobi
    cloud.stuck = True
    job_id = sent(ledger, runner, nairobi_request())
    error = refused(HardwareError, "give-up", job_id, "--yes")
    assert "it has not ended" in error.message
    assert kept(ledger, job_id).state == "submitted"
    assert invoked("give-up", job_id, answer="n").exit_code == 1
