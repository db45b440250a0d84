"""`qhw jobs cancel`: ends what is pending on the platform, and what was left open."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from rich.console import Console

from qhw.commands.jobs_list import find_pending, find_run
from qhw.commands.jobs_pending import NO_JOB, act_on_all, job_name, refuse_both
from qhw.commands.jobs_show import standing
from qhw.console.output import terminal
from qhw.errors import ConfigError
from qhw.jobs.clock import Clock
from qhw.jobs.ledger import NO_TRACE, Entry, Ledger, owner_alive
from qhw.jobs.patience import wait_for
from qhw.jobs.reconciling import close_orphans, drop_second_jobs, write_end
from qhw.jobs.runner import JobRunner
from qhw.jobs.work import WorkSettings

CANCEL_SECONDS = 60.0
"""How long to wait until the platform says that a job is cancelled."""
BY_THE_USER = "cancelled by the user"


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
    refuse_both(job, run)
    if job is None and run is None:
        raise ConfigError(
            "Cancel what?", "Name a job or a run: `qhw jobs cancel JOB` or `... --run ID`."
        )
    with Ledger.of_user() as ledger:
        pending = find_pending(ledger, job, run)
        if job is not None and not pending:
            raise ConfigError(
                f"Job {job!r} is not pending: there is nothing to cancel.",
                f"`qhw jobs show {job}` tells how it ended.",
            )
        if pending and not agreed(_question(pending)):
            return False
        act_on_all(ledger, pending, _cancel)
        if run is not None:
            _close_groups(terminal(), ledger, find_run(ledger, run))
    return True


def _question(pending: Sequence[Entry]) -> str:
    """What is about to be lost, in lines of a terminal's width."""
    names = ", ".join(job_name(entry) for entry in pending[:4])
    more = f" and {len(pending) - 4} more" if len(pending) > 4 else ""
    waiting = sorted({entry.owner for entry in pending if owner_alive(entry.owner)})
    stopped = f"Process {', '.join(waiting)} waits for them and will stop. " if waiting else ""
    text = f"To be cancelled: {names}{more}. {stopped}A run that is resumed sends them again."
    return f"{textwrap.fill(text, 79)}\nCancel?"


def _cancel(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> str:
    if not entry.job_id:
        # An intent without a job ends once no job of it can appear any more.
        if clock.now() - entry.intended_at < WorkSettings().quarantine:
            return f"{NO_JOB}, but one may still appear: try again in a minute"
        ledger.failed(entry.id, None, f"{BY_THE_USER}; {NO_TRACE}")
        return f"{NO_JOB}; given up"
    runner.cancel(entry.job_id)
    report = wait_for(runner, entry.job_id, clock, deadline=CANCEL_SECONDS)
    drop_second_jobs(runner, ledger, entry)
    write_end(runner, ledger, entry, report, BY_THE_USER)
    ended = "; it had ended before, and its result is kept" if report.state == "done" else ""
    return f"{standing(report)}{ended}"


def _close_groups(console: Console, ledger: Ledger, run_id: str) -> None:
    """Close sessions and batches whose process died."""
    before = ledger.open_groups(run_id)
    if not before:
        return
    close_orphans(ledger, run_id)
    left = ledger.open_groups(run_id)
    for group in before:
        state = "is in use by its process" if group in left else "is closed"
        console.print(f"The {group.mode} {group.id} {state}.", highlight=False)
