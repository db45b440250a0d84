"""What has not ended, device by device: what `qhw jobs collect` and `cancel` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console

from qhw.commands.jobs_list import PENDING, job_record
from qhw.console.output import show, terminal
from qhw.errors import BackendUnavailableError, ConfigError, HardwareError, RetryableError
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.ledger import Entry, Ledger
from qhw.jobs.prompt import open_at_prompt
from qhw.jobs.reconciling import find_lost, in_other_hands
from qhw.jobs.runner import JobRunner

NO_JOB = "the platform has no job of it"
NOTHING = "Nothing is pending: the ledger knows how every job ended."
CANNOT_ASK = (HardwareError, BackendUnavailableError)

Failure = tuple[Entry, HardwareError | BackendUnavailableError]
Outcomes = list[tuple[Entry, str]]
"""What came of each attempt, in a line."""
Action = Callable[[JobRunner, Ledger, Entry, Clock], str]
"""Does what was asked for with one attempt; says in a line what came of it, if anything did."""


def refuse_both(job: str | None, run: str | None) -> None:
    """Refuse a job and a run at once.

    Raises:
        ConfigError: If both are given.
    """
    if job is not None and run is not None:
        raise ConfigError(f"Job {job!r} and --run {run!r}: one or the other.", "Leave one out.")


def job_name(entry: Entry) -> str:
    """Its job, if it has one, and its work, such as `d1abc rollout/1/7/0`."""
    return f"{entry.job_id} {entry.unit.place}".lstrip()


def act_on_all(ledger: Ledger, pending: Sequence[Entry], action: Action) -> None:
    """Do the same with every attempt, and show what came of it.

    What fails does not keep the rest from it.

    Raises:
        HardwareError: At the end, if something failed.
    """
    failures: list[Failure] = []
    outcomes: Outcomes = []
    by_device = sorted(pending, key=attrgetter("device"))
    for device, entries in groupby(by_device, attrgetter("device")):
        failures += _act_on(ledger, device, list(entries), action, outcomes)
    _show(outcomes, pending)
    if failures:
        entry, first = failures[0]
        raise HardwareError(
            f"{len(failures)} of {len(pending)} jobs could not be settled. "
            f"{job_name(entry)}: {first.message}",
            first.hint,
        ) from first


def _show(outcomes: Outcomes, pending: Sequence[Entry]) -> None:
    def print_it(console: Console) -> None:
        for entry, outcome in outcomes:
            console.print(f"{job_name(entry)}: {outcome}", highlight=False, markup=False)
        if not any(entry.state in PENDING for entry in pending):
            console.print(NOTHING)

    show([{**job_record(entry), "outcome": outcome} for entry, outcome in outcomes], print_it)


def _act_on(
    ledger: Ledger, device: str, entries: Sequence[Entry], action: Action, outcomes: Outcomes
) -> list[Failure]:
    """Do it on one device; returns what failed."""
    console = terminal()
    clock = SystemClock()
    failures: list[Failure] = []
    try:
        with console.status(f"opening {device}"):
            runner = open_at_prompt(device, clock)
    except CANNOT_ASK as error:
        return [(entry, error) for entry in entries]
    for entry in entries:
        try:
            with console.status(f"asking {device} about {job_name(entry)}"):
                attempt = _with_job(runner, ledger, entry, clock)
                outcome = action(runner, ledger, attempt, clock)
        except CANNOT_ASK as error:
            failures.append((entry, error))
        else:
            if outcome:
                outcomes.append((attempt, outcome))
    return failures


def _with_job(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> Entry:
    """The attempt with its job; an intent whose process died may have none.

    Raises:
        RetryableError: If another process is sending it right now.
    """
    if entry.state != "intent":
        return entry
    if in_other_hands(entry, clock.now()):
        raise RetryableError(
            f"{entry.unit.key} is being sent by process {entry.owner}.",
            "Wait until it ends, or stop it, then type the same command again.",
        )
    job_id = find_lost(runner, ledger, entry)
    return entry if job_id is None else ledger.submitted(entry.id, job_id)
