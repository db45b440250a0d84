"""The real client against the local platform: every way in which it goes wrong.

Whatever is raised, no token and no account id is in it: `raised` looks at the whole traceback.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from qhw.errors import (
    AmbiguousSubmitError,
    BackendUnavailableError,
    CredentialsError,
    HardwareError,
    JobFailedError,
    RateLimitedError,
    RetryableError,
)
from qhw.jobs.ibm import single_post as ibm_repost
from qhw.jobs.ibm.account import list_devices, open_service
from qhw.jobs.ibm.faults import scrub, submit_fault
from qhw.jobs.ibm.runner import IbmRunner
from tests.ibm_cloud.cloud import CRN, TOKEN, Cloud, Fault
from tests.qhw.jobs.ibm.test_runner import small_request

STALL = 5.0
"""Seconds that a call may take when something is wrong; the client alone takes 15 to 60."""
JOBS, ONE_JOB, RESULTS = "/jobs", "/jobs/[^/]+", "/jobs/[^/]+/results"


def raised(action: Callable[[], Any]) -> HardwareError:
    """The error that an action raises, quickly and without secrets."""
    started = time.monotonic()
    with pytest.raises(HardwareError) as caught:
        action()
    assert time.monotonic() - started < STALL
    text = "".join(traceback.format_exception(caught.value))
    assert "SECRET" not in text
    assert "eyJ" not in text
    assert caught.value.hint
    return caught.value


@pytest.fixture
def runner(small_cloud: Cloud) -> IbmRunner:
    return IbmRunner.open("ibm_nairobi")


# Submissions.


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 408])
@pytest.mark.parametrize("accept", [False, True])
def test_a_server_error_on_a_post_is_ambiguous_and_sent_once(
    status: int, accept: bool, small_cloud: Cloud, runner: IbmRunner
) -> None:
    small_cloud.inject(Fault("POST", JOBS, status=status, accept=accept))
    error = raised(lambda: runner.submit(small_request(1, 8, "tag")))
    assert type(error) is AmbiguousSubmitError
    assert str(status) in error.message
    assert small_cloud.requests("POST", "/jobs") == 1
    assert len(runner.find("tag")) == int(accept)


@pytest.mark.parametrize("accept", [False, True])
def test_a_cut_connection_on_a_post_is_ambiguous_and_sent_once(
    accept: bool, small_cloud: Cloud, runner: IbmRunner
) -> None:
    small_cloud.inject(Fault("POST", JOBS, cut=True, accept=accept))
    error = raised(lambda: runner.submit(small_request(1, 8, "tag")))
    assert type(error) is AmbiguousSubmitError
    assert "no answer" in error.message
    assert small_cloud.requests("POST", "/jobs") == 1
    assert len(runner.find("tag")) == int(accept)


@pytest.mark.parametrize("body", ["empty", "truncated"])
def test_an_unreadable_answer_to_a_post_is_ambiguous(
    body: str, small_cloud: Cloud, runner: IbmRunner
) -> None:
    small_cloud.inject(Fault("POST", JOBS, accept=True, body=body))
    error = raised(lambda: runner.submit(small_request(1, 8, "tag")))
    assert type(error) is AmbiguousSubmitError
    assert len(runner.find("tag")) == 1


def test_a_post_that_found_nobody_did_not_leave() -> None:
    session = requests.Session()
    session.mount("http://", ibm_repost.SinglePostAdapter())
    with ibm_repost.watched_post() as post, pytest.raises(requests.ConnectionError) as caught:
        session.post("http://127.0.0.1:9/api/v1/jobs")
    assert not post.sent
    fault = submit_fault(caught.value, post, "submitting")
    assert type(fault) is RetryableError


def test_a_platform_that_goes_down_before_the_post_is_not_a_missing_device(
    small_cloud: Cloud, runner: IbmRunner
) -> None:
    """The client asks for the device before each POST, and says "not found" for "no answer"."""
    small_cloud.inject(Fault("GET", "/backends", times=-1, status=503))
    assert type(raised(lambda: runner.submit(small_request()))) is RetryableError
    small_cloud.faults.clear()
    small_cloud.inject(Fault("GET", "/backends", times=3, cut=True))
    assert type(raised(lambda: runner.submit(small_request()))) is RetryableError
    assert small_cloud.requests("POST", "/jobs") == 0


def test_a_device_retired_in_the_middle(open_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    runner.submit(small_request(1, 8))
    open_cloud.hidden.add("ibm_nairobi")
    with pytest.raises(BackendUnavailableError, match="none of this account's") as caught:
        runner.submit(small_request(1, 8))
    assert "ibm_fez" in caught.value.hint


def test_a_fault_of_a_read_before_the_post_is_not_ambiguous(
    small_cloud: Cloud, runner: IbmRunner
) -> None:
    for path in ("/instances/usage", "/backends/[^/]+/status"):
        small_cloud.faults.clear()
        small_cloud.inject(Fault("GET", path, times=-1, status=503))
        assert type(raised(lambda: runner.submit(small_request()))) is RetryableError
        small_cloud.faults.clear()
        # The client's own reads come after ours.
        small_cloud.inject(Fault("GET", path, times=-1, skip=1, status=503))
        assert type(raised(lambda: runner.submit(small_request()))) is RetryableError
    assert small_cloud.requests("POST", "/jobs") == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, HardwareError),
        (404, HardwareError),
        (409, HardwareError),
        (401, CredentialsError),
        (403, CredentialsError),
        (429, RateLimitedError),
    ],
)
def test_a_refused_post_says_so_in_the_platforms_words(
    status: int, kind: type[HardwareError], small_cloud: Cloud, runner: IbmRunner
) -> None:
    words = f"Not today. Token {TOKEN}, instance {CRN}, Authorization: Bearer eyJabc.eyJdef.x"
    small_cloud.inject(Fault("POST", JOBS, status=status, code=1234, message=words, retry_after=60))
    error = raised(lambda: runner.submit(small_request()))
    assert type(error) is kind
    assert "Not today." in error.message
    assert "code 1234" in error.message
    assert small_cloud.requests("POST", "/jobs") == 1


def test_too_many_pending_jobs(small_cloud: Cloud, runner: IbmRunner) -> None:
    small_cloud.stuck = True
    for _ in range(3):
        runner.submit(small_request(1, 8))
    assert "3 jobs are pending" in raised(lambda: runner.submit(small_request(1, 8))).message


def test_a_used_up_plan_is_refused_before_the_post(small_cloud: Cloud, runner: IbmRunner) -> None:
    small_cloud.used_seconds = 601.0
    error = raised(lambda: runner.submit(small_request()))
    assert type(error) is HardwareError
    assert "601.0 s" in error.message
    assert small_cloud.requests("POST", "/jobs") == 0


def test_a_device_in_maintenance_is_refused_before_the_post(
    small_cloud: Cloud, runner: IbmRunner
) -> None:
    small_cloud.devices["ibm_nairobi"].status = "maintenance"
    error = raised(lambda: runner.submit(small_request()))
    assert type(error) is RetryableError
    assert "maintenance" in error.message
    assert small_cloud.requests("POST", "/jobs") == 0


@pytest.mark.parametrize("mode", ["batch", "session"])
def test_an_expired_group_is_opened_anew(mode: Any, paid_cloud: Cloud) -> None:
    groups: list[str] = []
    runner = IbmRunner.open("ibm_nairobi", mode, groups.append)
    runner.submit(small_request(1, 8))
    paid_cloud.expire_sessions()
    error = raised(lambda: runner.submit(small_request(1, 8)))
    assert type(error) is RetryableError
    assert f"{groups[0]} has expired" in error.message
    runner.submit(small_request(1, 8))
    assert len(set(groups)) == 2
    assert len(paid_cloud.jobs) == 2


def test_an_ambiguous_submission_to_an_expired_group_stays_ambiguous(paid_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi", "batch")
    runner.submit(small_request(1, 8))
    paid_cloud.inject(Fault("POST", JOBS, status=503, accept=True))
    paid_cloud.inject(Fault("GET", "/sessions/[^/]+", times=-1, status=500))
    assert type(raised(lambda: runner.submit(small_request(1, 8)))) is AmbiguousSubmitError


def test_a_session_that_cannot_be_opened_sends_no_job(paid_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi", "session")
    paid_cloud.inject(Fault("POST", "/sessions", status=503))
    assert type(raised(lambda: runner.submit(small_request(1, 8)))) is RetryableError
    assert paid_cloud.requests("POST", "/sessions") == 1
    assert paid_cloud.requests("POST", "/jobs") == 0


@pytest.mark.parametrize(
    ("how", "warned"),
    [
        ({"status": 503, "accept": True}, True),
        ({"status": 503}, True),
        ({"cut": True, "accept": True}, True),
        ({"body": "truncated"}, True),
        ({"status": 400, "code": 1352}, False),
        ({"status": 429}, False),
    ],
    ids=str,
)
def test_a_session_whose_creation_got_no_answer_is_warned_of(
    how: dict[str, Any], warned: bool, paid_cloud: Cloud
) -> None:
    said: list[str] = []
    runner = IbmRunner.open("ibm_nairobi", "session", warn=said.append)
    paid_cloud.inject(Fault("POST", "/sessions", **how))
    raised(lambda: runner.submit(small_request(1, 8)))
    assert len(said) == warned
    assert all("may be open on ibm_nairobi, and billed" in line for line in said)
    runner.submit(small_request(1, 8))
    assert len(said) == warned


def test_a_session_that_cannot_be_closed_is_closed_by_asking_again(paid_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi", "session")
    runner.submit(small_request(1, 8))
    paid_cloud.inject(Fault("PATCH", "/sessions/[^/]+", status=503))
    raised(runner.close)
    runner.close()
    assert paid_cloud.open_sessions == []


# Reading.


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("GET", ONE_JOB, times=-1, status=503), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, status=500), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, cut=True), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, body="empty"), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, body="truncated"), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, status=404), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, status=429), RateLimitedError),
        (Fault("GET", ONE_JOB, times=-1, status=429, retry_after=3600), RateLimitedError),
        (Fault("GET", ONE_JOB, times=-1, status=503, retry_after=3600), RetryableError),
        (Fault("GET", ONE_JOB, times=-1, status=401), CredentialsError),
        (Fault("GET", ONE_JOB, times=-1, status=403), CredentialsError),
    ],
    ids=lambda value: f"{value.status or value.body or 'cut'}" if hasattr(value, "status") else "",
)
def test_a_fault_while_polling(
    fault: Fault, kind: type[HardwareError], small_cloud: Cloud, runner: IbmRunner
) -> None:
    request = small_request(1, 8)
    job_id = runner.submit(request)
    small_cloud.faults[:] = [Fault(**{**vars(fault), "met": 0})]
    assert type(raised(lambda: runner.report(job_id))) is kind
    assert type(raised(lambda: runner.collect(job_id, request.shapes))) is kind
    small_cloud.faults.clear()
    assert runner.report(job_id).state == "done"


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": True}])
def test_one_hiccup_of_a_read_is_not_noticed(
    fault: dict[str, Any], small_cloud: Cloud, runner: IbmRunner
) -> None:
    job_id = runner.submit(small_request(1, 8))
    small_cloud.inject(Fault("GET", ONE_JOB, **fault))
    assert runner.report(job_id).state == "done"
    assert small_cloud.requests("GET", "/jobs/*") == 2


def test_a_poll_that_hangs_ends(
    small_cloud: Cloud, runner: IbmRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ibm_repost, "READ_SECONDS", 0.2)
    job_id = runner.submit(small_request(1, 8))
    small_cloud.inject(Fault("GET", ONE_JOB, times=-1, hang=30))
    assert type(raised(lambda: runner.report(job_id))) is RetryableError


@pytest.mark.parametrize(
    "spoiled",
    [{"body": "empty"}, {"body": "truncated"}, {"body": "nan"}, {"status": 404}, {"cut": True}],
    ids=str,
)
def test_a_result_lost_once_is_had_by_asking_again(
    spoiled: dict[str, Any], small_cloud: Cloud, runner: IbmRunner
) -> None:
    request = small_request(1, 8)
    job_id = runner.submit(request)
    times = 3 if "cut" in spoiled else 1  # a cut read is repeated twice underneath
    small_cloud.inject(Fault("GET", RESULTS, times=times, **spoiled))
    error = raised(lambda: runner.collect(job_id, request.shapes))
    assert type(error) is RetryableError
    assert job_id in error.message
    (values,) = runner.collect(job_id, request.shapes)
    assert values.values.shape == (1, 2)


def test_the_result_of_another_request_is_refused(small_cloud: Cloud, runner: IbmRunner) -> None:
    job_id = runner.submit(small_request(2, 8))
    error = raised(lambda: runner.collect(job_id, small_request(3, 8).shapes))
    assert type(error) is RetryableError
    assert "shape (2, 2), not (3, 2)" in error.message


def test_a_damaged_result_raises_only_what_is_caught(small_cloud: Cloud, runner: IbmRunner) -> None:
    """Cut the text anywhere, or change a character: the client's decoders raise many things."""
    request = small_request(1, 8)
    job_id = runner.submit(request)
    runner.report(job_id)
    text = small_cloud.jobs[job_id].result
    draw = np.random.default_rng(0)
    refused = 0
    for _ in range(20):
        place = int(draw.integers(len(text)))
        for damaged in (
            text[:place],
            text[:place] + str(draw.choice(list('0x}"A'))) + text[place + 1 :],
        ):
            runner._client.job_results = lambda job_id, damaged=damaged: damaged
            try:
                (values,) = runner.collect(job_id, request.shapes)
            except RetryableError:
                refused += 1
            else:
                assert np.isfinite(values.values).all()
    assert refused >= 20


def test_a_job_that_is_not_done_has_no_result_yet(small_cloud: Cloud, runner: IbmRunner) -> None:
    small_cloud.stuck = True
    request = small_request(1, 8)
    job_id = runner.submit(request)
    error = raised(lambda: runner.collect(job_id, request.shapes))
    assert type(error) is RetryableError
    assert "queued" in error.message


def test_a_failed_job_gives_the_platforms_words(small_cloud: Cloud, runner: IbmRunner) -> None:
    small_cloud.fail_with = (6050, f"The circuit does not fit. {TOKEN}")
    request = small_request(1, 8)
    job_id = runner.submit(request)
    report = runner.report(job_id)
    assert (report.state, report.reason) == ("failed", "The circuit does not fit. *** (code 6050)")
    error = raised(lambda: runner.collect(job_id, request.shapes))
    assert type(error) is JobFailedError
    assert "The circuit does not fit." in error.message
    assert "code 6050" in error.message
    assert job_id in error.message


def test_a_job_that_ran_too_long_has_failed(small_cloud: Cloud, runner: IbmRunner) -> None:
    small = small_request(1, 8)
    request = type(small)(small.pubs, 100_000, max_seconds=3)
    job_id = runner.submit(request)
    report = runner.report(job_id)
    assert report.state == "failed"
    assert "code 1305" in report.reason
    assert report.usage_seconds
    assert type(raised(lambda: runner.collect(job_id, request.shapes))) is JobFailedError


def test_an_unknown_job(small_cloud: Cloud, runner: IbmRunner) -> None:
    for action in (runner.report, runner.calibration):
        assert "d-unknown" in raised(partial(action, "d-unknown")).message
    assert "not found" in raised(lambda: runner.cancel("d-unknown")).message


def test_a_job_without_metrics_is_still_reported(small_cloud: Cloud, runner: IbmRunner) -> None:
    job_id = runner.submit(small_request(1, 8))
    small_cloud.inject(Fault("GET", "/jobs/[^/]+/metrics", status=404))
    report = runner.report(job_id)
    assert (report.state, report.usage_seconds) == ("done", None)
    assert report.created


# The account.


def test_no_account(small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("QISKIT_IBM_TOKEN")
    error = raised(lambda: IbmRunner.open("ibm_nairobi"))
    assert type(error) is CredentialsError
    assert "QISKIT_IBM_TOKEN" in error.hint
    assert not (tmp_path / ".qiskit").exists()


def test_a_damaged_account_file(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("QISKIT_IBM_TOKEN")
    (tmp_path / ".qiskit").mkdir()
    (tmp_path / ".qiskit" / "qiskit-ibm.json").write_text('{"default": {"token": "SECR')
    assert type(raised(lambda: list_devices(open_service()))) is CredentialsError


def test_a_bad_token(small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", TOKEN + "-mistyped")
    error = raised(lambda: list_devices(open_service()))
    assert type(error) is CredentialsError
    assert "Provided API key could not be found" in error.message


def test_an_instance_of_another_account(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", CRN.replace("SECRETinstance", "SECRETother"))
    assert type(raised(lambda: list_devices(open_service()))) is CredentialsError


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/iam/identity/token", "the identity service"),
        ("/search/v3/resources/search", "the search service"),
    ],
)
@pytest.mark.parametrize("how", [{"status": 503}, {"cut": True}], ids=str)
def test_a_service_of_ibm_is_down(
    path: str, service: str, how: dict[str, Any], small_cloud: Cloud
) -> None:
    small_cloud.inject(Fault("POST", path, times=-1, **how))
    error = raised(lambda: IbmRunner.open("ibm_nairobi"))
    assert type(error) is RetryableError
    assert service in error.message
    assert "valid API token" not in error.message


@pytest.mark.parametrize("body", ["empty", "truncated"])
@pytest.mark.parametrize("path", ["/iam/identity/token", "/search/v3/resources/search"])
def test_a_cut_answer_to_the_account_is_no_wrong_key(
    path: str, body: str, small_cloud: Cloud
) -> None:
    small_cloud.inject(Fault("POST", path, body=body))
    error = raised(lambda: IbmRunner.open("ibm_nairobi"))
    assert type(error) is RetryableError
    assert "token" not in error.message


def test_an_empty_answer_of_the_catalogue_may_be_asked_for_again(small_cloud: Cloud) -> None:
    small_cloud.inject(Fault("GET", "/catalog/[^/]+", body="empty"))
    assert type(raised(lambda: IbmRunner.open("ibm_nairobi"))) is RetryableError
    assert IbmRunner.open("ibm_nairobi").device == "ibm_nairobi"


@pytest.mark.parametrize("how", [{"status": 503}, {"cut": True}, {"body": "empty"}], ids=str)
def test_the_platform_is_down_when_a_device_is_opened(
    how: dict[str, Any], small_cloud: Cloud
) -> None:
    """The client says that there is no such device; it is the platform that is down."""
    small_cloud.inject(Fault("GET", "/backends", times=-1, **how))
    assert type(raised(lambda: IbmRunner.open("ibm_nairobi"))) is RetryableError


def test_a_device_that_is_listed_but_not_described(small_cloud: Cloud) -> None:
    small_cloud.inject(Fault("GET", "/backends/[^/]+/configuration", times=-1, status=500))
    error = raised(lambda: IbmRunner.open("ibm_nairobi"))
    assert type(error) is RetryableError
    assert "does not describe" in error.message


def test_a_token_refused_later_does_not_stall(paid_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi", "session")
    job_id = runner.submit(small_request(1, 8))
    paid_cloud.tokens.clear()
    for action in (runner.limits, lambda: runner.report(job_id), runner.close):
        assert type(raised(action)) is CredentialsError
    assert type(raised(lambda: runner.submit(small_request(1, 8)))) is CredentialsError


@pytest.mark.parametrize("status", [503, 400])
def test_no_access_token_later_does_not_stall(status: int, small_cloud: Cloud) -> None:
    """The client would wait a minute before each further call, and send the bare key."""
    small_cloud.access_seconds = -5  # every token has expired when it arrives
    runner = IbmRunner.open("ibm_nairobi")
    small_cloud.inject(Fault("POST", "/iam/identity/token", times=-1, status=status))
    for action in (runner.limits, runner.queue_length):
        error = raised(action)
        assert type(error) is RetryableError
        assert "identity service" in error.message
    assert type(raised(lambda: runner.submit(small_request()))) is RetryableError
    small_cloud.faults.clear()
    assert runner.limits().plan == "open"


# What steers a terminal.

STEERING = "no \x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2J\x07\r\x08\u202ereally"


def test_what_steers_a_terminal_does_not_come_through(
    small_cloud: Cloud, runner: IbmRunner
) -> None:
    small_cloud.fail_with = (1, STEERING)
    report = runner.report(runner.submit(small_request()))
    assert report.reason == "no red really (code 1)"
    small_cloud.inject(Fault("POST", JOBS, status=400, code=1, message=STEERING))
    error = raised(lambda: runner.submit(small_request()))
    assert "no red really" in error.message
    small_cloud.change_device("ibm_nairobi", STEERING)
    for text in (error.message, raised(lambda: runner.submit(small_request())).message):
        assert text.isprintable()


# Secrets.


@pytest.mark.parametrize(
    "text",
    [
        f"key {TOKEN}.",
        f"apikey={TOKEN}&grant_type=x",
        "Authorization: Bearer eyJhbGciOi.eyJzdWIi.c2lnbmF0",
        "{'Authorization': 'apikey SECRET'}",
        f"Service-CRN: {CRN}",
        "access_token=SECRET",
    ],
)
def test_secrets_are_scrubbed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", TOKEN)
    cleaned = scrub(text)
    assert "SECRET" not in cleaned
    assert "eyJ" not in cleaned
    assert "***" in cleaned
    assert scrub("shape (3, 2), code 1352") == "shape (3, 2), code 1352"


def test_the_client_stays_quiet(
    small_cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("QISKIT_IBM_RUNTIME_LOG_LEVEL", "DEBUG")
    runner = IbmRunner.open("ibm_nairobi")
    small_cloud.inject(Fault("GET", ONE_JOB, status=503))
    small_cloud.inject(Fault("GET", "/jobs/[^/]+/metrics", cut=True))
    runner.report(runner.submit(small_request(1, 8)))
    small_cloud.inject(Fault("POST", "/search/v3/resources/search", status=503))
    raised(lambda: list_devices(open_service()))
    assert capfd.readouterr() == ("", "")


def test_the_client_was_given_no_token_in_code(small_cloud: Cloud) -> None:
    IbmRunner.open("ibm_nairobi")
    kinds = {headers.get("Authorization", "").partition(" ")[0] for headers in small_cloud.headers}
    assert kinds <= {"Bearer", "Basic", ""}
