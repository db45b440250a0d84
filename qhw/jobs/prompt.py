"""A device for somebody who waits at a prompt: jobs are looked up, and none is paid for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.patience import Patience, PatientRunner, Questions
from qhw.jobs.runner import JobRunner
from qhw.known import DeviceName

T = TypeVar("T")
AT_A_PROMPT = Patience(call_seconds=30.0, attempts=3, longest_wait=5.0, total_seconds=60.0)
"""Somebody sits and waits for the answer."""
WHILE_COMPUTED = Patience(call_seconds=3600.0)
"""A fake device computes a job when it is asked about."""
OPENING_SECONDS = 60.0
"""Deadline of opening an account or a device, which is several questions."""


def open_at_prompt(device: str, clock: Clock | None = None) -> PatientRunner:
    """Open a device by name to look up, collect or cancel jobs.

    Raises:
        HardwareError: If the account cannot be used, or the platform does not answer.
        BackendUnavailableError: If the device is not there any more.
    """
    if DeviceName(device).stand_in:
        from qhw.jobs.local.runner import LocalRunner

        return at_prompt(LocalRunner(device), clock, WHILE_COMPUTED)
    from qhw.jobs.ibm.runner import IbmRunner

    runner = ask_at_prompt(f"opening {device}", lambda: IbmRunner.open(device), clock)
    return at_prompt(runner, clock)


def ask_at_prompt(name: str, work: Callable[[], T], clock: Clock | None = None) -> T:
    """Ask before there is a runner, such as for the account, for a person who waits.

    Args:
        name: What is asked, in the error's words.
        work: The call; it may be made again.
        clock: Waits between calls.

    Raises:
        HardwareError: If there was no answer, or none that helps.
    """
    return opening_questions(AT_A_PROMPT, clock or SystemClock()).ask(name, work)


def opening_questions(patience: Patience, clock: Clock) -> Questions:
    """As patient as with everything after it, and with more time for a call."""
    longer = replace(patience, call_seconds=max(OPENING_SECONDS, patience.call_seconds))
    return Questions(longer, clock, random.Random())  # noqa: S311 - as below


def at_prompt(
    runner: JobRunner, clock: Clock | None = None, patience: Patience = AT_A_PROMPT
) -> PatientRunner:
    """A runner whose calls end, for a person who waits."""
    waits = random.Random()  # noqa: S311 - spreads waits, protects nothing
    return PatientRunner(runner, patience, clock or SystemClock(), waits)
