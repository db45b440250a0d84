"""A job that appears after it was given up: found at the end, when collecting, and on resuming."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from qhw.cli.jobs import jobs_app
from qhw.devices.backend import DeviceBackend
from qhw.devices.opening import Requester
from qhw.devices.session import paid_session
from qhw.errors import HardwareError, JobFailedError
from qhw.jobs.request import Unit
from qhw.jobs.work import Progress
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import Cloud, Fault
from tests.ibm_cloud.nairobi import OpenNairobi, ask_at

POST = ("POST", "/jobs")
UNIT = Unit("run", "images", 0, 0, 0)
Open = Callable[[], DeviceBackend]


@pytest.fixture
def open_backend(open_nairobi: OpenNairobi) -> Open:
    clock = SteppedClock(1_800_000_000)
    return lambda: open_nairobi(Requester(run_id="run", clock=clock), "none")


@pytest.fixture
def late_cloud(small_cloud: Cloud) -> Cloud:
    """The first submission is accepted, gets no answer, and is not listed for a while."""
    small_cloud.inject(Fault(*POST, accept=True, cut=True))
    small_cloud.unlisted = 1
    return small_cloud


def played(backend: DeviceBackend, folder: Path, then: Callable[[], None]) -> str:
    """What is said by a session that asks one thing; `then` happens before its end."""
    console = Console(file=io.StringIO(), width=1000)
    with paid_session(console, backend, folder):
        ask_at(backend, 0, b"state")
        then()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def collected(*arguments: str) -> str:
    result = CliRunner().invoke(jobs_app, ["collect", *arguments])
    assert result.exception is None, result.exception
    return " ".join(result.output.split())


def test_it_is_booked_and_told_at_the_end(
    late_cloud: Cloud, open_backend: Open, tmp_path: Path
) -> None:
    output = played(open_backend(), tmp_path, late_cloud.list_all)
    assert late_cloud.paid()[UNIT.tag] == 2
    late, _ = late_cloud.jobs
    ledger = open_backend().work.ledger
    (double,) = ledger.duplicates("run")
    assert double.report.job_id == late
    assert ledger.spent("run").qpu_seconds == pytest.approx(late_cloud.billed_seconds)
    assert f"images/0/0/0: job {late} appeared after it was given up; it had ended" in output
    assert "sent twice" in output


def test_one_that_still_waits_is_cancelled_at_the_end(
    late_cloud: Cloud, open_backend: Open, tmp_path: Path
) -> None:
    def say(progress: Progress) -> None:
        late_cloud.stuck = not late_cloud.jobs  # the first one alone

    late_cloud.stuck = True
    backend = open_backend()
    backend.work.tell = say
    output = played(backend, tmp_path, late_cloud.list_all)
    assert late_cloud.paid()[UNIT.tag] == 1
    assert "appeared after it was given up; it was cancelled" in output


def test_it_is_booked_and_told_when_collecting(
    late_cloud: Cloud, open_backend: Open, tmp_path: Path
) -> None:
    output = played(open_backend(), tmp_path, lambda: None)
    assert "given up" not in output
    assert "Nothing is pending" in collected()
    late_cloud.list_all()
    late, _ = late_cloud.jobs
    assert f"images/0/0/0: job {late} appeared after it was given up; it had ended" in collected()
    ledger = open_backend().work.ledger
    (double,) = ledger.duplicates("run")
    assert double.report.job_id == late
    assert "Nothing is pending" in collected()


def refused_after_it(cloud: Cloud, backend: DeviceBackend) -> None:
    """Given up, then refused for good when it is sent again: the late job is the only one."""
    cloud.inject(Fault(*POST, status=400, code=1, message="no"))
    with pytest.raises(HardwareError, match="no"):
        ask_at(backend, 0, b"state")
    cloud.list_all()


def test_the_only_job_is_taken_over_on_resuming(late_cloud: Cloud, open_backend: Open) -> None:
    refused_after_it(late_cloud, open_backend())
    backend = open_backend()
    ask_at(backend, 0, b"state")
    assert late_cloud.requests(*POST) == 2
    assert late_cloud.paid()[UNIT.tag] == 1
    states = [entry.state for entry in backend.work.ledger.attempts(UNIT)]
    assert states == ["superseded", "superseded", "done"]


def test_the_only_job_is_kept_when_collecting(late_cloud: Cloud, open_backend: Open) -> None:
    refused_after_it(late_cloud, open_backend())
    (late,) = late_cloud.jobs
    late_cloud.settle()
    output = collected()
    assert f"images/0/0/0: job {late} appeared after it was given up; done" in output
    assert "kept" in output
    values = ask_at(open_backend(), 0, b"state")
    assert np.isfinite(values).all()
    assert late_cloud.requests(*POST) == 2


def test_a_platform_that_cannot_be_asked_at_the_end_hides_nothing(
    late_cloud: Cloud, open_backend: Open, tmp_path: Path
) -> None:
    def go_down() -> None:
        late_cloud.inject(Fault("GET", "/jobs", status=503, times=-1))

    output = played(open_backend(), tmp_path, go_down)
    assert "could not be looked up" in output
    assert "`qhw jobs collect --run run`" in output
    assert "QPU time" in output


def test_a_job_that_failed_is_sent_again_without_a_look_back(
    small_cloud: Cloud, open_backend: Open
) -> None:
    small_cloud.fail_with = (1, "no")
    backend = open_backend()
    with pytest.raises(JobFailedError):
        ask_at(backend, 0, b"state")
    small_cloud.fail_with = None
    before = small_cloud.requests("GET", "/jobs")
    ask_at(backend, 0, b"state")
    assert small_cloud.requests("GET", "/jobs") == before + 1
