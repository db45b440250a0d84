"""`qhw jobs give-up`: a result that stays unreadable is no longer waited for."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from qhw.commands.jobs_list import find_pending
from qhw.commands.jobs_pending import act_on_all, job_name
from qhw.commands.jobs_show import standing
from qhw.errors import ConfigError, RateLimitedError, RetryableError
from qhw.jobs.clock import Clock
from qhw.jobs.ledger import Entry, Ledger
from qhw.jobs.reconciling import drop_second_jobs, write_end
from qhw.jobs.runner import JobRunner


def give_up_job(job: str, agreed: Callable[[str], bool]) -> bool:
    """Read a job's result once more; if it cannot be read, let its run send that one job again.

    Args:
        job: Beginning of a job's id.
        agreed: Asks whether to go on.

    Returns:
        Whether it was agreed to.

    Raises:
        UnknownNameError: If there is no such job.
        ConfigError: If the ledger knows how it ended.
        HardwareError: If it has not ended, or the platform does not answer.
    """
    with Ledger.of_user() as ledger:
        pending = find_pending(ledger, job, None)
        if not pending:
            raise ConfigError(
                f"Job {job!r} is not pending: there is nothing to give up.",
                f"`qhw jobs show {job}` tells how it ended.",
            )
        if not agreed(_question(pending[0])):
            return False
        act_on_all(ledger, pending, _give_up)
    return True


def _question(entry: Entry) -> str:
    text = (
        f"{job_name(entry)}: what it used stays billed, and --resume sends it again, for about "
        f"{entry.quoted_seconds:.1f} QPU s."
    )
    return f"{textwrap.fill(text, 79)}\nGive it up if its result cannot be read?"


def _give_up(runner: JobRunner, ledger: Ledger, entry: Entry, clock: Clock) -> str:
    report = runner.report(entry.job_id)
    if not report.final:
        raise RetryableError(
            f"Job {entry.job_id} is {standing(report)}: it has not ended.",
            f"Wait for it, or end it by `qhw jobs cancel {entry.job_id}`.",
        )
    drop_second_jobs(runner, ledger, entry)
    try:
        ended = write_end(runner, ledger, entry, report)
    except RateLimitedError:
        raise
    except RetryableError as error:
        ledger.failed(entry.id, report, f"given up by the user: {error.message}")
        return "given up; the command that sent it, with --resume, sends it again"
    return f"{standing(report)}{'; it could be read, and is kept' if ended.state == 'done' else ''}"
