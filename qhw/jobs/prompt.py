"""A device for somebody who waits at a prompt: jobs are looked up, and none is paid for."""

from __future__ import annotations

import random

from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.patience import Patience, PatientRunner, answer_within
from qhw.jobs.runner import JobRunner
from qhw.known import DeviceName

AT_A_PROMPT = Patience(call_seconds=30.0, attempts=3, longest_wait=5.0, total_seconds=60.0)
"""Somebody sits and waits for the answer."""
WHILE_COMPUTED = Patience(call_seconds=3600.0)
"""A fake device computes a job when it is asked about."""
OPENING_SECONDS = 60.0


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

    runner = answer_within(OPENING_SECONDS, f"opening {device}", lambda: IbmRunner.open(device))
    return at_prompt(runner, clock)


def at_prompt(
    runner: JobRunner, clock: Clock | None = None, patience: Patience = AT_A_PROMPT
) -> PatientRunner:
    """A runner whose calls end, for a person who waits."""
    waits = random.Random()  # noqa: S311 - spreads waits, protects nothing
    return PatientRunner(runner, patience, clock or SystemClock(), waits)
