"""Which jobs a unit of work has become on the platform, and how their end is written down."""

from __future__ import annotations

from functools import partial

from qhw.errors import LedgerError, RetryableError
from qhw.jobs.ledger import Duplicate, Entry, Intent, Ledger, owner_alive, this_owner
from qhw.jobs.prompt import ask_at_prompt
from qhw.jobs.request import Unit, digest_tag
from qhw.jobs.runner import JobReport, JobRunner, JobState

ENDED = "had ended"
"""What was done with a second job that had ended already."""
APPEARED = "appeared after it was given up"
BEST_FIRST: tuple[JobState, ...] = ("done", "running", "queued", "failed", "cancelled")
"""Which of several jobs of one unit is worth most."""
LONGEST_SUBMISSION = 3600.0
"""No submission lasts that many seconds."""
LATEST_APPEARANCE = 7 * 86_400.0
"""Seconds after which no job appears any more of a submission that left no trace."""


def in_other_hands(entry: Entry, now: float) -> bool:
    """Whether another process may still be sending this.

    So long after any submission, an owner under another host name is this machine under an older
    name rather than a process at work.
    """
    if entry.owner == this_owner():
        return False
    return owner_alive(entry.owner) and now - entry.intended_at < LONGEST_SUBMISSION


def find_lost(runner: JobRunner, ledger: Ledger, entry: Entry) -> str | None:
    """The job that an intent became, if there is one; others of the same unit are dropped."""
    jobs = unknown_jobs(runner, ledger, entry.unit)
    if not jobs:
        return None
    best = _best(jobs)
    _drop(runner, ledger, entry, [job for job in jobs if job.job_id != best.job_id])
    return best.job_id


def adopt(
    runner: JobRunner, ledger: Ledger, unit: Unit, intent: Intent, journal: bytes | None
) -> Entry | None:
    """Book a unit's job that the platform has and the ledger does not know.

    Others of the same unit are dropped.

    Args:
        runner: The device.
        ledger: Where it is written down.
        unit: What was worked out.
        intent: What would be sent if there were no such job.
        journal: Kept with it, as for a submission.

    Returns:
        The attempt: submitted, or failed if its job ended without a result; None if there is none.

    Raises:
        LedgerError: If the platform has jobs of the unit, and all of them answer other questions.
    """
    jobs = unknown_jobs(runner, ledger, unit)
    if not jobs:
        return None
    answers = [job for job in jobs if asks(job, intent.digest)]
    if not answers:
        raise LedgerError(
            f"The platform has job {jobs[0].job_id} of {unit.key}, which asks for something else "
            f"than {intent.digest[:12]}: the run does not replay as it was.",
            "Nothing was sent. Go on where its ledger is (XDG_DATA_HOME moves it), or begin a new "
            "run: what the old one measured is lost to it.",
        )
    best = _best(answers)
    entry = ledger.submitted(ledger.intend(unit, intent, journal).id, best.job_id)
    _drop(runner, ledger, entry, [job for job in jobs if job.job_id != best.job_id])
    lost = best.final and best.state != "done"
    return write_end(runner, ledger, entry, best) if lost else entry


def look_back(runner: JobRunner, ledger: Ledger, entry: Entry) -> str:
    """Look an attempt up once more that was given up, and book the job that has appeared since.

    It is the unit's if nothing was sent after it; else it is a second one, and dropped.

    Args:
        runner: The device.
        ledger: Where it is written down.
        entry: See `qhw.jobs.ledger.Entry.given_up`.

    Returns:
        What was found and done, for people; empty for nothing.
    """
    newest = ledger.latest(entry.unit)
    assert newest is not None, "the attempt itself is one"
    if newest.state == "intent":
        return ""  # whoever resolves it finds every job of the unit
    if newest.state == "failed":
        return _taken_over(runner, ledger, entry, newest)
    jobs = unknown_jobs(runner, ledger, entry.unit)
    _drop(runner, ledger, entry, jobs)
    booked = {double.report.job_id: double for double in ledger.duplicates(entry.unit.run)}
    return ", ".join(_late(booked[job.job_id]) for job in jobs)


def _late(double: Duplicate) -> str:
    """What became of a job that appeared too late."""
    used = double.report.usage_seconds
    billed = "" if used is None else f", {used:.1f} QPU s"
    done = "had ended" if double.action == ENDED else f"was {double.action}"
    return f"job {double.report.job_id} {APPEARED}; it {done}{billed}; its work was sent twice"


def _taken_over(runner: JobRunner, ledger: Ledger, entry: Entry, newest: Entry) -> str:
    """Make the job that has appeared the newest attempt's, whose result is wanted still."""
    intent = Intent(
        digest=entry.digest,
        device=entry.device,
        group_id=entry.group_id,
        shapes=entry.shapes,
        shots=entry.shots,
        quoted_seconds=entry.quoted_seconds,
        earlier=newest.id,
    )
    adopted = adopt(runner, ledger, entry.unit, intent, None)
    if adopted is None:
        return ""
    report = runner.report(adopted.job_id)
    kept = ""
    if adopted.state == "submitted" and report.final:
        kept = "; kept" if write_end(runner, ledger, adopted, report).state == "done" else ""
    return f"job {adopted.job_id} {APPEARED}; {report.state}{kept}"


def asks(job: JobReport, digest: str) -> bool:
    """Whether a job's tags say that it computes this."""
    return digest_tag(digest) in job.tags


def drop_second_jobs(runner: JobRunner, ledger: Ledger, entry: Entry) -> None:
    """Look for jobs that do a submitted unit's work a second time, and cancel them."""
    _drop(runner, ledger, entry, unknown_jobs(runner, ledger, entry.unit))


def unknown_jobs(runner: JobRunner, ledger: Ledger, unit: Unit) -> list[JobReport]:
    """The platform's jobs with the unit's tag that the ledger does not know, oldest first."""
    known = ledger.known_jobs(unit)
    return [job for job in runner.find(unit.tag) if job.job_id not in known]


def _best(jobs: list[JobReport]) -> JobReport:
    return min(jobs, key=lambda job: BEST_FIRST.index(job.state))


def _drop(runner: JobRunner, ledger: Ledger, entry: Entry, jobs: list[JobReport]) -> None:
    """Cancel jobs, and write down what they cost."""
    for job in jobs:
        action = ENDED
        if not job.final:
            runner.cancel(job.job_id)
            action = "cancelled"
        ledger.duplicate(entry.id, runner.report(job.job_id), action)


def write_end(
    runner: JobRunner, ledger: Ledger, entry: Entry, report: JobReport, reason: str = ""
) -> Entry:
    """Put the result of a job that has ended into the ledger, or why it has none.

    Args:
        runner: The job's device.
        ledger: Where it is submitted.
        entry: Its attempt.
        report: A final one.
        reason: Kept where it has no result and the platform gives no reason.

    Returns:
        The attempt, done or failed.

    Raises:
        RetryableError: If the result is damaged, however often it was asked for.
    """
    if report.state != "done":
        return ledger.failed(entry.id, report, reason or report.state)
    try:
        values = runner.collect(entry.job_id, entry.shapes)
    except RetryableError as error:
        raise type(error)(
            error.message,
            f"{error.hint} If its result stays unreadable, `qhw jobs give-up {entry.job_id}` lets "
            "--resume send this one job again.",
        ) from error
    return ledger.done(entry.id, values, report, runner.calibration(entry.job_id))


def close_orphans(ledger: Ledger, run_id: str) -> None:
    """Close sessions and batches that a process of this run left open when it died."""
    from qhw.jobs.ibm.account import close_group

    for group in ledger.open_groups(run_id):
        if not owner_alive(group.owner):
            ask_at_prompt(f"closing {group.id}", partial(close_group, group.id))
            ledger.group_closed(group.id)
