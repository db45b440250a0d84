"""A quote as people read it: its table, its share of the plan, its waiting, its assumptions."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from calibration.notebook import html_folded, html_lines
from qhw.budget.limits import OPEN_PLAN_DAYS, OPEN_PLAN_SECONDS
from qhw.budget.quote import SECONDS_PER_QUEUED_JOB, Quote
from qhw.console.notebook import table_html
from qhw.console.tables import plain_table

HOUR = 3600.0
DAY = 24 * HOUR


def quote_table(quote: Quote) -> Table:
    """One line per phase, and the total; spans where the bounds differ."""
    table = plain_table("", "jobs", "circuits", "shots", "QPU s", "$")
    price = quote.dollars_per_second
    for phase in quote.phases:
        low, high = phase.seconds_low, phase.seconds
        counts = map(_number, (phase.jobs, phase.circuits, phase.shots))
        table.add_row(phase.phase, *counts, _span(low, high), _span(price * low, price * high))
    table.add_section()
    spent = (_span(quote.seconds_low, quote.seconds), _span(quote.dollars_low, quote.dollars))
    table.add_row("total", _number(quote.jobs), _number(quote.circuits), "", *spent)
    return table


def share_of_plan(quote: Quote) -> str:
    """How much of the Open plan's window it takes."""
    low, high = quote.seconds_low / OPEN_PLAN_SECONDS, quote.open_plan_share
    part = f"{_span(100 * low, 100 * high)} % of" if high < 10 else f"{_span(low, high)} times"
    plan = f"{OPEN_PLAN_SECONDS:.0f} QPU s in {OPEN_PLAN_DAYS} days"
    return f"That is {part} the Open plan's {plan}."


def waiting(quote: Quote) -> str:
    """How long its jobs wait."""
    trips = f"{_number(quote.jobs)} round trips one after the other"
    if quote.queue is None:
        wait = _duration(quote.jobs * SECONDS_PER_QUEUED_JOB)
        return (
            f"Waiting: {trips}; for every job ahead in the queue {wait}, at "
            f"{SECONDS_PER_QUEUED_JOB:.0f} s each. The queue is not known here (--queue)."
        )
    assert quote.waiting_seconds is not None
    return (
        f"Waiting: {trips} x {quote.queue} jobs ahead x {SECONDS_PER_QUEUED_JOB:.0f} s (assumed) = "
        f"{_duration(quote.waiting_seconds)}."
    )


def assumptions(quote: Quote) -> Iterator[str]:
    """What its numbers rest on, line by line."""
    yield from (f"{phase.phase}: {phase.note}." for phase in quote.phases if phase.note)
    yield from quote.assumptions


def quote_html(quote: Quote) -> str:
    """A quote as a notebook shows it."""
    return (
        html_lines(quote.title)
        + table_html(quote_table(quote))
        + html_lines(share_of_plan(quote), waiting(quote), *quote.warnings)
        + html_folded("Assumed", *assumptions(quote))
        + html_lines("Nothing was sent.")
    )


def _span(low: float, high: float) -> str:
    shown = _number(low), _number(high)
    return shown[1] if shown[0] == shown[1] else f"{shown[0]} - {shown[1]}"


def _number(value: float) -> str:
    """Whole, with commas; millions with two decimals; below 10 with one."""
    if value >= 1e6:
        return f"{value / 1e6:,.2f}M"
    if isinstance(value, int) or value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"
