"""`qhw jobs show`: everything that is known of one job."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qhw.commands.jobs_list import cost, find_job
from qhw.console.output import show, terminal
from qhw.console.tables import moment, platform_moment
from qhw.errors import BackendUnavailableError, HardwareError
from qhw.jobs.ledger import Duplicate, Entry, Ledger, owner_alive
from qhw.jobs.prompt import open_at_prompt
from qhw.jobs.runner import JobReport

Facts = Iterator[tuple[str, str]]
STAMPS = ("created", "started", "finished")
"""Dates that the platform tells of a job."""


def print_job(typed: str) -> None:
    """Print what the ledger knows of a job and, if it has not ended there, what its device says.

    Raises:
        UnknownNameError: If the ledger has no job whose id begins so, or several.
    """
    with Ledger.of_user() as ledger:
        job = find_job(ledger, typed)
        known = _double_facts(ledger, job) if isinstance(job, Duplicate) else _facts(ledger, job)
        facts = [(name, value) for name, value in known if value]

    def print_it(console: Console) -> None:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, value in facts:
            table.add_row(name, escape(value))
        console.print(table)

    show(_by_name(facts), print_it)
    if isinstance(job, Entry) and job.state == "submitted":
        _print_present(terminal(), job)


def _by_name(facts: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The facts as plain JSON; one without a name goes on with the name before."""
    found: dict[str, list[str]] = {}
    last = ""
    for name, value in facts:
        last = name or last
        found.setdefault(last, []).append(value)
    return found


def standing(report: JobReport) -> str:
    """How a job stands, in a few words."""
    ahead = "" if report.queue_position is None else f", {report.queue_position} ahead"
    billed = "" if report.usage_seconds is None else f", {report.usage_seconds:.1f} QPU s"
    reason = f": {report.reason}" if report.reason else ""
    return f"{report.state}{ahead}{billed}{reason}"


def _facts(ledger: Ledger, entry: Entry) -> Facts:
    status = entry.platform.get("status", "")
    yield "job", entry.job_id
    differs = status not in ("", entry.state)
    yield "state", f"{entry.state} (the platform: {status})" if differs else entry.state
    yield "why", entry.platform.get("reason", "")
    yield from _question(entry)
    billed = "" if entry.usage_seconds is None else f"{cost(entry)} s billed, "
    yield "QPU time", f"{billed}{entry.quoted_seconds:.1f} s quoted"
    yield "ledger", f"{moment(entry.intended_at)} intent"
    if entry.submitted_at is not None:
        yield "", f"{moment(entry.submitted_at)} job's id"
    if entry.finished_at is not None:
        yield "", f"{moment(entry.finished_at)} {entry.state}"
    yield from _platform(entry.platform)
    yield "calibration", _calibration(ledger, entry.calibration_digest)
    yield "group", entry.group_id
    alive = "still runs" if owner_alive(entry.owner) else "has ended"
    yield "sent by", f"process {entry.owner}, which {alive}"
    for other in ledger.attempts(entry.unit):
        if other.id != entry.id:
            yield "also", f"attempt {other.attempt}: {other.job_id or 'no job'}, {other.state}"
    for double in ledger.duplicates(entry.unit.run):
        if double.entry_id == entry.id:
            yield "sent twice", f"{double.report.job_id}, {double.action}"


def _question(entry: Entry) -> Facts:
    unit = entry.unit
    update = f"update {unit.update}, " if unit.update else ""
    attempt = f", attempt {entry.attempt}" if entry.attempt > 1 else ""
    yield "work", f"{unit.phase}, {update}step {unit.step + 1} ({unit.place}{attempt})"
    yield "run", unit.run
    yield "device", entry.device
    answers = " + ".join(f"{rows} x {width}" for rows, width in entry.shapes)
    yield "asked", f"{entry.circuits} circuits x {entry.shots} shots; values {answers}"
    yield "digest", entry.digest


def _platform(dates: dict[str, str]) -> Facts:
    label = "platform"
    for name in STAMPS:
        if dates.get(name):
            yield label, f"{platform_moment(dates[name])} {name}"
            label = ""


def _calibration(ledger: Ledger, digest: str) -> str:
    """Digest and date; IBM's and our own JSON name the date differently."""
    if not digest:
        return ""
    published = json.loads(ledger.calibration(digest))
    date = str(published.get("last_update_date") or published.get("taken_at") or "an unknown date")
    return f"{platform_moment(date)} ({digest})"


def _double_facts(ledger: Ledger, double: Duplicate) -> Facts:
    report = double.report
    (entry,) = [entry for entry in ledger.entries() if entry.id == double.entry_id]
    yield "job", report.job_id
    yield "state", f"{report.state}; sent twice by mistake, {double.action}, its values not used"
    yield "why", report.reason
    yield "instead", f"{entry.job_id or 'no job yet'}, {entry.state}"
    yield from _question(entry)
    if report.usage_seconds is not None:
        yield "QPU time", f"{report.usage_seconds:.1f} s billed"
    yield "ledger", f"{moment(double.found_at)} found"
    yield from _platform({name: getattr(report, name) for name in STAMPS})


def _print_present(console: Console, entry: Entry) -> None:
    """What the device says now; that it cannot be asked changes nothing of the above."""
    try:
        with console.status(f"asking {entry.device}"):
            report = open_at_prompt(entry.device).report(entry.job_id)
    except (HardwareError, BackendUnavailableError) as error:
        console.print(
            f"{entry.device} cannot be asked now: {error.message}", style="yellow", markup=False
        )
        console.print(error.hint)
        return
    console.print(
        f"{entry.device} says now: [bold]{escape(standing(report))}[/bold]", highlight=False
    )
    if report.final:
        console.print(f"`qhw jobs collect {entry.job_id}` writes that down, and keeps its result.")
