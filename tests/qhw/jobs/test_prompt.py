"""Opening an account is as patient as what comes after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qhw.devices.opening import Requester
from qhw.errors import CredentialsError, HardwareError, RateLimitedError, RetryableError
from qhw.jobs.patience import Patience
from qhw.jobs.prompt import open_at_prompt
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import Cloud, Fault
from tests.ibm_cloud.nairobi import OpenNairobi, ask_at

HOWS = [{"status": 429}, {"status": 503}, {"cut": True}, {"body": "empty"}, {"body": "truncated"}]
IDENTITY, SEARCH = ("POST", "/iam/identity/token"), ("POST", "/search/v3/resources/search")
Opened = Callable[[SteppedClock], object]


@pytest.fixture(params=["run", "prompt"])
def opened(request: pytest.FixtureRequest, open_nairobi: OpenNairobi) -> Opened:
    """Open a device for a run, and for somebody at a prompt."""
    if request.param == "prompt":
        return lambda clock: open_at_prompt("ibm_nairobi", clock)
    return lambda clock: open_nairobi(Requester("run", clock=clock, patience=Patience()), "none")


@pytest.mark.parametrize("how", HOWS, ids=str)
@pytest.mark.parametrize("request_", [IDENTITY, SEARCH], ids=["identity", "search"])
def test_what_passes_is_asked_again(
    request_: tuple[str, str], how: dict[str, Any], small_cloud: Cloud, opened: Opened
) -> None:
    small_cloud.inject(Fault(*request_, times=2, **how))
    clock = SteppedClock()
    opened(clock)
    assert len(clock.slept) == 2


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_what_does_not_pass_is_told_as_what_it_is(
    how: dict[str, Any], small_cloud: Cloud, opened: Opened
) -> None:
    small_cloud.inject(Fault(*IDENTITY, times=-1, **how))
    with pytest.raises(HardwareError) as raised:
        opened(SteppedClock())
    assert type(raised.value) in (RetryableError, RateLimitedError)
    assert "API token" not in raised.value.message


def test_a_wrong_key_is_not_asked_for_again(small_cloud: Cloud, opened: Opened) -> None:
    small_cloud.tokens.clear()
    clock = SteppedClock()
    with pytest.raises(CredentialsError):
        opened(clock)
    assert not clock.slept


def test_a_run_outlasts_a_platform_that_is_down_while_it_is_opened(
    small_cloud: Cloud, open_nairobi: OpenNairobi
) -> None:
    small_cloud.inject(Fault("GET", "/backends", times=9, status=503))
    backend = open_nairobi(Requester("run", clock=SteppedClock()), "none")
    ask_at(backend, 0, b"state")
    assert small_cloud.requests("POST", "/jobs") == 1
