"""`qhw jobs collect`: the results of jobs that have ended, put where --resume finds them."""

from __future__ import annotations

from rich.console import Console

from qhw.commands.jobs_list import find_pending
from qhw.commands.jobs_pending import NO_TRACE, NOTHING, act_on_all, refuse_both
from qhw.commands.jobs_show import standing
from qhw.jobs.clock import Clock
from qhw.jobs.ledger import Entry, Ledger
from qhw.jobs.reconciling import drop_second_jobs, write_end
from qhw.jobs.runner import JobRunner


def collect_jobs(job: str | None = None, run: str | None = None) -> None:
    """Put the results of jobs that have ended into the ledger.

    Args:
        job: Beginning of a job's id; None for all that are pending.
        run: Beginning of a run's id; None for all runs.

    Raises:
        UnknownNameError: If there is no such job or run.
        ConfigError: If both are given.
        HardwareError: If something could not be asked; all else was done.
    """
    refuse_both(job, run)
    console = Console()
    with Ledger.of_user() as ledger:
        pending = find_pending(ledger, job, run)
        if not pending:
            console.print(NOTHING)
            return
        act_on_all(console, ledger, pending, _collect)
    console.print("The command that sent them, with --resume, goes on from there.")


def _collect(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> str:
    if not entry.job_id:
        return f"{NO_TRACE}; --resume sends it"
    report = runner.report(entry.job_id)
    if not report.final:
        return f"still {standing(report)}"
    drop_second_jobs(runner, ledger, entry)
    write_end(runner, ledger, entry, report)
    return f"{standing(report)}{'; kept' if report.state == 'done' else ''}"
