"""`qhw jobs list`: what the ledger has, one line per job, in 80 columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console

from qhw.console.output import show
from qhw.console.tables import moment
from qhw.errors import UnknownNameError
from qhw.jobs.ledger import Duplicate, Entry, EntryState, Group, Ledger, owner_alive

PENDING: tuple[EntryState, ...] = ("intent", "submitted")
RECENT = 20
"""Jobs shown without --all; what has not ended is always shown."""
NONE_YET = (
    "No jobs yet. `qhw train` and `qhw run` send some with --backend fake_fez (free, runs here) or "
    "--backend ibm_fez; `qhw plan` tells beforehand what they take."
)


def print_jobs(run: str | None, everything: bool) -> None:
    """Print the ledger's jobs, newest last, and what to do with those that have not ended.

    Args:
        run: Beginning of a run's id; None for all runs.
        everything: Whether to print old jobs that have ended, too.

    Raises:
        UnknownNameError: If there is no such run.
    """
    with Ledger.of_user() as ledger:
        chosen = None if run is None else find_run(ledger, run)
        entries, doubles = ledger.entries(chosen), ledger.duplicates(chosen)
        groups = ledger.open_groups(chosen)
    last = {entry.id for entry in entries[-RECENT:]}
    shown = [e for e in entries if everything or e.id in last or e.state in PENDING]

    def print_it(console: Console) -> None:
        for line in _lines(shown, doubles) if shown else [NONE_YET]:
            console.print(line, highlight=False, soft_wrap=bool(shown))
        for line in _advice(shown, len(entries), groups):
            console.print(line, highlight=False)

    show([job_record(entry) for entry in shown], print_it)


def job_record(entry: Entry) -> dict[str, Any]:
    """A job as plain JSON; dates in seconds since 1970."""
    return {
        "job": entry.job_id,
        "run": entry.unit.run,
        "unit": entry.unit.place,
        "attempt": entry.attempt,
        "device": entry.device,
        "state": entry.state,
        "intended_at": entry.intended_at,
        "quoted_seconds": entry.quoted_seconds,
        "billed_seconds": entry.usage_seconds,
    }


def cost(entry: Entry) -> str:
    """QPU seconds: as billed, `~` as quoted where there is no bill yet, `-` if it never ran."""
    if entry.usage_seconds is not None:
        return f"{entry.usage_seconds:.1f}"
    return f"~{entry.quoted_seconds:.1f}" if entry.sent else "-"


def find_job(ledger: Ledger, typed: str) -> Entry | Duplicate:
    """The attempt that became a job, or the job that was found to do its work a second time.

    Args:
        ledger: Where it is written down.
        typed: Its id, or the beginning of it.

    Raises:
        UnknownNameError: If there is none, or more than one.
    """
    known: dict[str, Entry | Duplicate] = {
        double.report.job_id: double for double in ledger.duplicates()
    }
    known |= {entry.job_id: entry for entry in ledger.entries() if entry.job_id}
    return known[_only("job", typed, known)]


def find_run(ledger: Ledger, typed: str) -> str:
    """The id of a run that has sent something.

    Raises:
        UnknownNameError: If there is none, or more than one.
    """
    return _only("run with jobs", typed, {entry.unit.run: None for entry in ledger.entries()})


def find_pending(ledger: Ledger, job: str | None, run: str | None) -> list[Entry]:
    """What has not ended as far as the ledger knows: of one job, of one run, or all of it.

    Raises:
        UnknownNameError: If there is no such job or run.
    """
    if job is not None:
        entry = find_job(ledger, job)
        return [entry] if isinstance(entry, Entry) and entry.state in PENDING else []
    chosen = None if run is None else find_run(ledger, run)
    return ledger.entries(run=chosen, states=PENDING)


def _lines(entries: Sequence[Entry], doubles: Sequence[Duplicate]) -> Iterator[str]:
    """A heading for each day, run and device, and the jobs below it."""
    yield _line("UTC", "phase/update/step/part", "state", "QPU s", "job")
    for heading, jobs in groupby(entries, _heading):
        yield f"[bold]{heading}[/bold]"
        for entry in jobs:
            attempt = f"#{entry.attempt}" if entry.attempt > 1 else ""
            unit = f"{entry.unit.place:<20} {attempt}"
            clock, job = moment(entry.intended_at)[11:16], entry.job_id or "no job"
            yield _line(clock, unit, entry.state, cost(entry), job)
            yield from (_double_line(double) for double in doubles if double.entry_id == entry.id)


def _heading(entry: Entry) -> str:
    return f"{moment(entry.intended_at)[:10]} run {entry.unit.run[:8]} on {entry.device}"


def _double_line(double: Duplicate) -> str:
    report = double.report
    usage = "-" if report.usage_seconds is None else f"{report.usage_seconds:.1f}"
    clock = moment(double.found_at)[11:16]
    return _line(clock, "  sent twice by mistake", report.state, usage, report.job_id)


def _line(clock: str, unit: str, state: str, seconds: str, job: str) -> str:
    return f"{clock:5} {unit:<23} {state:<10} {seconds:>7} {job}"


def _advice(shown: Sequence[Entry], known: int, groups: Sequence[Group]) -> Iterator[str]:
    """What the signs mean, and what to type next."""
    if len(shown) < known:
        yield f"{_jobs(known - len(shown), 'earlier job')} more: `qhw jobs list --all`."
    if any(cost(entry).startswith("~") for entry in shown):
        yield "~ as quoted: there is no bill yet."
    pending = sum(entry.state == "submitted" for entry in shown)
    if pending:
        yield (
            f"{_jobs(pending, 'job')} submitted: `qhw jobs collect` keeps what has ended, "
            "`qhw jobs cancel JOB` stops one."
        )
    unclear = sum(entry.state == "intent" for entry in shown)
    if unclear:
        yield (
            f"{_jobs(unclear, 'intent')} without a job: being sent now, or its process died over "
            "it; `qhw jobs collect` asks the platform."
        )
    for group in groups:
        if not owner_alive(group.owner):
            yield (
                f"The {group.mode} {group.id} on {group.device} was left open: "
                f"`qhw jobs cancel --run {group.run[:8]}` closes it."
            )


def _jobs(number: int, name: str) -> str:
    return f"{number} {name}{'s' if number > 1 else ''}"


def _only(kind: str, typed: str, known: Collection[str]) -> str:
    """The one id that begins as typed."""
    fitting = [typed] if typed in known else [name for name in known if name.startswith(typed)]
    if not fitting:
        raise UnknownNameError.nearest(kind, typed, known, "qhw jobs list --all")
    if len(fitting) > 1:
        raise UnknownNameError(
            f"{typed!r} is the beginning of {len(fitting)} ids: {', '.join(fitting[:3])}"
            f"{' and others' if len(fitting) > 3 else ''}.",
            "Type more of it.",
        )
    return fitting[0]
