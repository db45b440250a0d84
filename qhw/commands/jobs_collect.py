"""`qhw jobs collect`: the results of jobs that have ended, put where --resume finds them."""

from __future__ import annotations

from qhw.commands.jobs_list import find_pending, find_run
from qhw.commands.jobs_pending import NO_JOB, act_on_all, refuse_both
from qhw.commands.jobs_show import standing
from qhw.console.output import terminal
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.ledger import Entry, Ledger
from qhw.jobs.reconciling import LATEST_APPEARANCE, drop_second_jobs, look_back, write_end
from qhw.jobs.runner import JobRunner


def collect_jobs(job: str | None = None, run: str | None = None) -> None:
    """Put the results of jobs that have ended into the ledger, and jobs that appeared too late.

    Args:
        job: Beginning of a job's id; None for all that are pending.
        run: Beginning of a run's id; None for all runs.

    Raises:
        UnknownNameError: If there is no such job or run.
        ConfigError: If both are given.
        HardwareError: If something could not be asked; all else was done.
    """
    refuse_both(job, run)
    with Ledger.of_user() as ledger:
        pending = find_pending(ledger, job, run)
        given_up = [] if job is not None else _given_up(ledger, run)
        act_on_all(ledger, [*given_up, *pending], _collect)
    if pending:
        terminal().print("The command that sent them, with --resume, goes on from there.")


def _given_up(ledger: Ledger, run: str | None) -> list[Entry]:
    """Attempts whose job may have appeared since; of one run or all."""
    chosen = None if run is None else find_run(ledger, run)
    return ledger.given_up(chosen, SystemClock().now() - LATEST_APPEARANCE)


def _collect(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> str:
    if entry.given_up:
        return look_back(runner, ledger, entry)
    if not entry.job_id:
        return f"{NO_JOB}; --resume sends it"
    report = runner.report(entry.job_id)
    if not report.final:
        return f"still {standing(report)}"
    drop_second_jobs(runner, ledger, entry)
    write_end(runner, ledger, entry, report)
    return f"{standing(report)}{'; kept' if report.state == 'done' else ''}"
