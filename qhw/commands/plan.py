"""A quote as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from qhw.budget.limits import OPEN_PLAN_SECONDS, Limits
from qhw.budget.quote import SECONDS_PER_QUEUED_JOB, Quote, Stop
from qhw.console import plain_table

HOUR = 3600.0
DAY = 24 * HOUR


def print_quote(console: Console, quote: Quote, limits: Limits) -> None:
    """Print phases and total, shares and waiting, where limits would stop it, the assumptions."""
    console.print(quote.title)
    console.print(_table(quote))
    console.print(_open_plan(quote))
    console.print(_waiting(quote))
    for line in _stops(quote, limits):
        console.print(line, style="yellow")
    for line in quote.warnings:
        console.print(line, style="yellow")
    console.print("Assumed:")
    for line in (*_notes(quote), *quote.assumptions):
        console.print(f"- {line}")
    console.print("Nothing was sent.")


def _table(quote: Quote) -> Table:
    table = plain_table("", "jobs", "circuits", "shots", "QPU s", "$")
    price = quote.dollars_per_second
    for phase in quote.phases:
        low, high = phase.seconds_low, phase.seconds
        table.add_row(
            phase.phase,
            _number(phase.jobs),
            _number(phase.circuits),
            _number(phase.shots),
            _span(low, high),
            _span(price * low, price * high),
        )
    table.add_section()
    table.add_row(
        "total",
        _number(quote.jobs),
        _number(quote.circuits),
        "",
        _span(quote.seconds_low, quote.seconds),
        _span(quote.dollars_low, quote.dollars),
    )
    return table


def _open_plan(quote: Quote) -> str:
    share = quote.open_plan_share
    low = quote.seconds_low / OPEN_PLAN_SECONDS
    told = f"{_span(100 * low, 100 * share)} % of" if share < 10 else f"{_span(low, share)} times"
    return f"That is {told} the Open plan's {OPEN_PLAN_SECONDS:.0f} QPU s in 28 days."


def _waiting(quote: Quote) -> str:
    trips = f"{_number(quote.jobs)} round trips one after the other"
    if quote.queue is None:
        each = _duration(quote.jobs * SECONDS_PER_QUEUED_JOB)
        return (
            f"Waiting: {trips}; for every job ahead in the queue {each}, at "
            f"{SECONDS_PER_QUEUED_JOB:.0f} s each. The queue is not known here (--queue)."
        )
    assert quote.waiting_seconds is not None
    return (
        f"Waiting: {trips} x {quote.queue} jobs ahead x {SECONDS_PER_QUEUED_JOB:.0f} s (assumed) = "
        f"{_duration(quote.waiting_seconds)}."
    )


def _notes(quote: Quote) -> list[str]:
    return [f"{phase.phase}: {phase.note}." for phase in quote.phases if phase.note]


def _stops(quote: Quote, limits: Limits) -> list[str]:
    """What the limits would do, at the upper bound and at the lower one; empty if all fits."""
    high, low = quote.stop(limits), quote.stop(limits, low=True)
    if high is None:
        return []
    if low == high:
        return [f"{_limit(high)}: it stops before {_place(high)}."]
    lines = [f"{_limit(high)}: at the upper bound it stops before {_place(high)},"]
    if low is None:
        return [*lines, "at the lower one all of it fits."]
    return [*lines, f"at the lower one before {_place(low)}."]


def _limit(stop: Stop) -> str:
    return f"{stop.passed.option} {stop.passed.limit:g} does not hold all of it"


def _place(stop: Stop) -> str:
    update = f" of update {stop.update}" if stop.update else ""
    return f"job {stop.job:,} ({stop.phase}{update})"


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
