"""A run goes on where its ledger is gone: the platform still knows what it was paid for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qhw.devices.backend import DeviceBackend
from qhw.devices.opening import Requester
from qhw.errors import BudgetReachedError, LedgerError
from qhw.files import UserData
from qhw.jobs.ledger import Ledger
from qhw.jobs.request import Unit
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import Cloud, Fault
from tests.ibm_cloud.nairobi import OpenNairobi, ask_at

POST = ("POST", "/jobs")
Open = Callable[..., DeviceBackend]


@pytest.fixture
def open_backend(open_nairobi: OpenNairobi, tmp_path: Path) -> Open:
    """Open it in the name of one run, which keeps its files in a folder."""

    def opening(run: str = "run", mitigation: str = "none", **hardware: object) -> DeviceBackend:
        requester = Requester(run_id=run, folder=tmp_path / run, clock=SteppedClock())
        return open_nairobi(requester, mitigation, **hardware)

    return opening


@pytest.fixture(params=["removed", "emptied", "moved away", "another home"])
def lose_ledger(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    def lose() -> None:
        if request.param == "another home":
            monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
        elif request.param == "moved away":
            move_away_as_advised(UserData.of_user().ledger)
        else:
            remove(UserData.of_user().ledger)
        if request.param == "emptied":
            UserData.of_user().ledger.touch()

    return lose


def move_away_as_advised(ledger: Path) -> None:
    ledger.write_bytes(b"damaged" * 1000)
    with pytest.raises(LedgerError, match=r"is damaged|not a ledger") as raised:
        Ledger.of_user()
    subprocess.run(raised.value.hint.removeprefix("To start a new one: "), shell=True, check=True)


def remove(ledger: Path) -> None:
    for path in ledger.parent.glob(f"{ledger.name}*"):
        path.unlink()


def lose(backend: DeviceBackend) -> None:
    backend.work.ledger.close()
    remove(backend.work.ledger.path)


def tag(step: int = 0) -> str:
    return Unit("run", "images", 0, step, 0).tag


def test_what_the_platform_knows_is_not_executed_again(
    small_cloud: Cloud, open_backend: Open, lose_ledger: Callable[[], None]
) -> None:
    first = open_backend()
    values = [ask_at(first, step, b"state") for step in range(2)]
    first.work.ledger.close()
    lose_ledger()
    again = open_backend()
    for step in range(2):
        np.testing.assert_array_equal(ask_at(again, step, b"state"), values[step])
    assert small_cloud.requests(*POST) == 2
    assert [small_cloud.paid()[tag(step)] for step in range(2)] == [1, 1]
    spent = again.work.ledger.spent("run")
    assert (spent.jobs, spent.qpu_seconds) == (2, small_cloud.billed_seconds)
    assert again.latest_journal() == b"state"
    ask_at(again, 2, b"state")
    assert small_cloud.requests(*POST) == 3


@pytest.mark.parametrize("limit", [{"max_jobs": 2}, {"max_qpu_seconds": 5.0}, {"max_cost": 7.0}])
def test_limits_count_what_the_platform_shows(
    limit: dict[str, float], small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend(**limit)
    for step in range(2):
        ask_at(first, step, b"state")
    lose(first)
    again = open_backend(**limit)
    for step in range(2):
        ask_at(again, step, b"state")
    with pytest.raises(BudgetReachedError):
        ask_at(again, 2, b"state")
    assert small_cloud.requests(*POST) == 2


def test_a_job_that_still_waits_is_waited_for(small_cloud: Cloud, open_backend: Open) -> None:
    small_cloud.stuck = True
    first = open_backend(job_wait=1.0)
    with pytest.raises(Exception, match="still queued"):
        ask_at(first, 0, b"state")
    lose(first)
    small_cloud.stuck = False
    for job in small_cloud.jobs.values():
        job.stuck = False
    ask_at(open_backend(), 0, b"state")
    assert small_cloud.paid()[tag()] == 1
    assert len(small_cloud.jobs) == 1


def test_a_failed_job_is_booked_and_sent_once_more(small_cloud: Cloud, open_backend: Open) -> None:
    small_cloud.fail_with = (6050, "no")
    first = open_backend()
    with pytest.raises(Exception, match="no"):
        ask_at(first, 0, b"state")
    lose(first)
    small_cloud.fail_with = None
    again = open_backend()
    ask_at(again, 0, b"state")
    assert small_cloud.requests(*POST) == 2
    attempts = again.work.ledger.attempts(Unit("run", "images", 0, 0, 0))
    assert [entry.state for entry in attempts] == ["superseded", "done"]
    assert again.work.ledger.spent("run").jobs == 2


def test_of_two_jobs_one_is_adopted_and_both_are_booked(
    small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend()
    values = ask_at(first, 0, b"state")
    (job,) = small_cloud.jobs.values()
    lose(first)
    small_cloud.jobs["d-twin"] = replace(job, id="d-twin")
    again = open_backend()
    np.testing.assert_array_equal(ask_at(again, 0, b"state"), values)
    (booked,) = again.work.ledger.duplicates("run")
    assert booked.report.job_id == "d-twin"
    assert again.work.ledger.spent("run").qpu_seconds == small_cloud.billed_seconds


def test_a_job_of_another_question_is_not_taken_and_nothing_is_sent(
    small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend()
    ask_at(first, 0, b"state")
    lose(first)
    with pytest.raises(LedgerError, match="the run does not replay as it was"):
        ask_at(open_backend(), 0, b"state", turn=1e-6)
    assert small_cloud.requests(*POST) == 1


def test_a_fit_that_the_platform_knows_is_not_measured_again(
    small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend(mitigation="affine")
    values = ask_at(first, 0, b"state")
    lose(first)
    shutil.rmtree(UserData.of_user().affine_maps)
    np.testing.assert_array_equal(ask_at(open_backend(mitigation="affine"), 0, b"state"), values)
    assert small_cloud.requests(*POST) == 2


def test_a_probe_passes_over_the_number_that_the_fit_has(
    small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend(mitigation="affine")
    first.prepare()
    lose(first)
    small_cloud.recalibrate("ibm_nairobi", 1.01, "2026-11-20T08:00:00+00:00")
    again = open_backend(mitigation="affine")
    again.prepare()
    assert "still fits" in again.mitigation.probe
    assert small_cloud.requests(*POST) == 2


def test_a_new_run_is_not_looked_up(small_cloud: Cloud, open_backend: Open) -> None:
    ask_at(open_backend(), 0, b"state")
    assert small_cloud.requests("GET", "/jobs") == 1, "second jobs, once it is submitted"


def test_a_platform_that_cannot_be_asked_is_sent_nothing(
    small_cloud: Cloud, open_backend: Open
) -> None:
    first = open_backend()
    ask_at(first, 0, b"state")
    lose(first)
    small_cloud.inject(Fault("GET", "/jobs", status=503, times=-1))
    with pytest.raises(Exception, match="503"):
        ask_at(open_backend(), 0, b"state")
    assert small_cloud.requests(*POST) == 1
