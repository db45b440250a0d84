"""`qhw jobs collect` and `qhw jobs cancel`: from what is pending to an end in the ledger."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import groupby

from rich.console import Console

from qhw.commands.jobs_list import find_pending, find_run, work
from qhw.commands.jobs_show import standing
from qhw.errors import BackendUnavailableError, ConfigError, HardwareError, RetryableError
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.ledger import Entry, Ledger, owner_alive
from qhw.jobs.patience import wait_for
from qhw.jobs.reconciling import drop, find_lost, in_other_hands, unknown_jobs, write_end
from qhw.jobs.reopening import reopen
from qhw.jobs.runner import JobRunner
from qhw.jobs.work import WorkSettings

CANCEL_SECONDS = 60.0
"""How long to wait until the platform says that a job is cancelled."""
BY_THE_USER = "cancelled by the user"
NO_TRACE = "the platform has no job of it"
NOTHING = "Nothing is pending: the ledger knows how every job ended."
CANNOT_ASK = (HardwareError, BackendUnavailableError)

Failure = tuple[Entry, HardwareError | BackendUnavailableError]
Settle = Callable[[JobRunner, Ledger, Entry, Clock], str]
"""Does what was asked for with one attempt; says in a few words what came of it."""


def collect_jobs(job: str | None = None, run: str | None = None) -> None:
    """Put the results of jobs that have ended into the ledger, where --resume finds them.

    Args:
        job: Beginning of a job's id; None for all that are pending.
        run: Beginning of a run's id; None for all runs.

    Raises:
        UnknownNameError: If there is no such job or run.
        ConfigError: If both are given.
        HardwareError: If something could not be asked; all else was done.
    """
    _refuse_both(job, run)
    console = Console()
    with Ledger.of_user() as ledger:
        pending = find_pending(ledger, job, run)
        if not pending:
            console.print(NOTHING)
            return
        _settle_all(console, ledger, pending, _collect)
    console.print("The command that sent them, with --resume, goes on from there.")


def cancel_jobs(job: str | None, run: str | None, agreed: Callable[[str], bool]) -> bool:
    """Cancel what is pending on the platform, and write down what came of it.

    Args:
        job: Beginning of a job's id.
        run: Beginning of a run's id; its sessions that were left open are closed, too.
        agreed: Asks whether to go on.

    Returns:
        Whether it was agreed to.

    Raises:
        UnknownNameError: If there is no such job or run.
        ConfigError: If not one of `job` and `run` is given, or the job has ended.
        HardwareError: If something could not be cancelled; all else was.
    """
    _refuse_both(job, run)
    if job is None and run is None:
        raise ConfigError(
            "Cancel what?", "Name a job or a run: `qhw jobs cancel JOB` or `... --run ID`."
        )
    console = Console()
    with Ledger.of_user() as ledger:
        pending = find_pending(ledger, job, run)
        _refuse_ended(job, pending)
        if pending and not agreed(_question(pending)):
            return False
        if not pending:
            console.print(NOTHING)
        _settle_all(console, ledger, pending, _cancel)
        if run is not None:
            _close_groups(console, ledger, find_run(ledger, run))
    return True


def _refuse_both(job: str | None, run: str | None) -> None:
    if job is not None and run is not None:
        raise ConfigError(f"Job {job!r} and --run {run!r}: one or the other.", "Leave one out.")


def _refuse_ended(job: str | None, pending: Sequence[Entry]) -> None:
    if job is not None and not pending:
        raise ConfigError(
            f"Job {job!r} is not pending: there is nothing to cancel.",
            f"`qhw jobs show {job}` tells how it ended.",
        )


def _question(pending: Sequence[Entry]) -> str:
    """What is about to be lost, in lines of a terminal's width."""
    names = ", ".join(_name(entry) for entry in pending[:4])
    more = f" and {len(pending) - 4} more" if len(pending) > 4 else ""
    waiting = sorted({entry.owner for entry in pending if owner_alive(entry.owner)})
    stopped = f"Process {', '.join(waiting)} waits for them and will stop. " if waiting else ""
    text = f"To be cancelled: {names}{more}. {stopped}A run that is resumed sends them again."
    return f"{textwrap.fill(text, 79)}\nCancel?"


def _settle_all(console: Console, ledger: Ledger, pending: Sequence[Entry], settle: Settle) -> None:
    """Settle device by device; what fails does not keep the rest from it.

    Raises:
        HardwareError: At the end, if something failed.
    """
    failures: list[Failure] = []
    for device, entries in groupby(sorted(pending, key=_device), _device):
        failures += _settle_on(console, ledger, device, list(entries), settle)
    if failures:
        entry, first = failures[0]
        raise HardwareError(
            f"{len(failures)} of {len(pending)} jobs could not be settled. "
            f"{_name(entry)}: {first.message}",
            first.hint,
        ) from first


def _device(entry: Entry) -> str:
    return entry.device


def _settle_on(
    console: Console, ledger: Ledger, device: str, entries: Sequence[Entry], settle: Settle
) -> list[Failure]:
    """Settle one device's jobs; returns what failed."""
    clock = SystemClock()
    failures: list[Failure] = []
    try:
        with console.status(f"opening {device}"):
            runner = reopen(device, clock)
    except CANNOT_ASK as error:
        return [(entry, error) for entry in entries]
    for entry in entries:
        try:
            with console.status(f"asking {device} about {_name(entry)}"):
                found = _with_job(runner, ledger, entry, clock)
                told = settle(runner, ledger, found, clock)
        except CANNOT_ASK as error:
            failures.append((entry, error))
        else:
            line = f"{_name(found)}: {told}"
            console.print(line, highlight=False, markup=False)
    return failures


def _name(entry: Entry) -> str:
    return f"{entry.job_id} {work(entry)}".lstrip()


def _with_job(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> Entry:
    """The attempt with its job; an intent whose process died may have none.

    Raises:
        RetryableError: If another process is sending it right now.
    """
    if entry.state == "submitted":
        return entry
    if in_other_hands(entry, clock.now()):
        raise RetryableError(
            f"{entry.unit.key} is being sent by process {entry.owner}.",
            "Wait until it ends, or stop it, then type the same command again.",
        )
    job_id = find_lost(runner, ledger, entry)
    if job_id is None:
        return entry
    ledger.submitted(entry.id, job_id)
    return ledger.find_job(job_id) or entry


def _collect(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> str:
    if not entry.job_id:
        return f"{NO_TRACE}; --resume sends it"
    report = runner.report(entry.job_id)
    if not report.final:
        return f"still {standing(report)}"
    drop(runner, ledger, entry, unknown_jobs(runner, ledger, entry))
    write_end(runner, ledger, entry, report)
    return f"{standing(report)}{'; kept' if report.state == 'done' else ''}"


def _cancel(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> str:
    if not entry.job_id:
        return _give_up(ledger, entry, clock)
    runner.cancel(entry.job_id)
    report = wait_for(runner, entry.job_id, clock, deadline=CANCEL_SECONDS)
    drop(runner, ledger, entry, unknown_jobs(runner, ledger, entry))
    write_end(runner, ledger, entry, report, BY_THE_USER)
    ended = "; it had ended before, and its result is kept" if report.state == "done" else ""
    return f"{standing(report)}{ended}"


def _give_up(ledger: Ledger, entry: Entry, clock: Clock) -> str:
    """End an intent without a job, once no job of it can appear any more."""
    if clock.now() - entry.intended_at < WorkSettings().quarantine:
        return f"{NO_TRACE}, but one may still appear: try again in a minute"
    ledger.failed(entry.id, None, f"{BY_THE_USER}; {NO_TRACE}")
    return f"{NO_TRACE}; given up"


def _close_groups(console: Console, ledger: Ledger, run_id: str) -> None:
    """Close sessions and batches whose process died."""
    from qhw.jobs.reconciling import close_orphans

    before = ledger.open_groups(run_id)
    if not before:
        return
    close_orphans(ledger, run_id)
    left = ledger.open_groups(run_id)
    for group in before:
        state = "is in use by its process" if group in left else "is closed"
        console.print(f"The {group.mode} {group.id} {state}.", highlight=False)
