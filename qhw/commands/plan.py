"""`qhw plan`: quote what a command would take on a device, and print the quote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from qhw.budget.limits import OPEN_PLAN_SECONDS, Limits
from qhw.budget.planning import limits_of, named_device, plan_run, plan_training
from qhw.budget.quote import SECONDS_PER_QUEUED_JOB, Quote, Stop
from qhw.config import RunConfig, merge
from qhw.console.output import show, terminal
from qhw.console.tables import plain_table
from qhw.errors import HardwareError
from qhw.known import DeviceName, has_credentials
from qhw.runs.directory import open_run
from qhw.runs.settings import settings_on_backend, training_settings

HOUR = 3600.0
DAY = 24 * HOUR


def print_training_quote(
    chosen: dict[str, Any],
    device: str | None,
    queue: int | None,
    *,
    config: Path | None,
    preset: str,
    start_from: Path | None,
) -> None:
    """Quote a training.

    Args:
        chosen: Settings that were typed, as nested tables.
        device: To quote for; None for the settings' own, or any.
        queue: Jobs that wait there; None to ask where there is an account.
        config: A TOML file.
        preset: A name in `qhw.config.PRESETS`.
        start_from: A run that is trained on.

    Raises:
        QhwError: If a name is unknown, settings do not fit, or there is nothing to quote.
    """
    sources: dict[str, Any] = {"config": config, "preset": preset, "start_from": start_from}
    own = training_settings({}, **sources).backend.name
    named = {"backend": {"name": named_device(device, own)}}
    settings = training_settings(merge(chosen, named), **sources)
    _print(plan_training(settings, queue=_queue(queue, device)), settings, device)


def print_deployment_quote(
    run: Path,
    chosen: dict[str, Any],
    device: str | None,
    queue: int | None,
    *,
    images: int,
    query_every: int,
) -> None:
    """Quote pictures made with a trained run.

    Args:
        run: Its folder.
        chosen: Settings of backend and hardware, as nested tables.
        device: To quote for; None for the run's own, or any.
        queue: Jobs that wait there; None to ask where there is an account.
        images: Pictures in lockstep.
        query_every: The device is asked at every such step.

    Raises:
        QhwError: If a name is unknown, settings do not fit, or there is nothing to quote.
    """
    own = open_run(run).config
    backend = {**chosen.get("backend", {}), "name": named_device(device, own.backend.name)}
    settings = settings_on_backend(own, backend, chosen.get("hardware", {}))
    quote = plan_run(settings, images=images, query_every=query_every, queue=_queue(queue, device))
    _print(quote, settings, device)


def _queue(typed: int | None, device: str | None) -> int | None:
    """Jobs waiting at the named device: as typed, else as the platform tells an account."""
    if typed is not None or device is None or not DeviceName(device).live or not has_credentials():
        return typed
    from qhw.jobs.prompt import open_at_prompt

    try:
        return open_at_prompt(device).queue_length()
    except HardwareError as error:
        terminal().print(f"The queue of {device} could not be asked: {error.message}")
        return None


def _print(quote: Quote, settings: RunConfig, named: str | None) -> None:
    device, limits = DeviceName(settings.backend.name), limits_of(settings)

    def print_it(console: Console) -> None:
        if device.stand_in:
            console.print(
                f"{device} runs here and bills nothing; this is what a device would bill."
            )
        elif named is None:
            console.print(f"No --backend is given: counted as for {device}.")
        print_quote(console, quote, limits)

    show({"backend": str(device), **quote.record, **_stops_record(quote, limits)}, print_it)


def _stops_record(quote: Quote, limits: Limits) -> dict[str, Any]:
    stop = quote.stop(limits)
    return {"stopped by a limit": None if stop is None else asdict(stop)}


def print_quote(console: Console, quote: Quote, limits: Limits) -> None:
    """Print phases and total, shares and waiting, where limits would stop it, the assumptions."""
    console.print(quote.title)
    console.print(_table(quote))
    low, high = quote.seconds_low / OPEN_PLAN_SECONDS, quote.open_plan_share
    part = f"{_span(100 * low, 100 * high)} % of" if high < 10 else f"{_span(low, high)} times"
    console.print(f"That is {part} the Open plan's {OPEN_PLAN_SECONDS:.0f} QPU s in 28 days.")
    console.print(_waiting(quote))
    for line in (*_stops(quote, limits), *quote.warnings):
        console.print(line, style="yellow")
    console.print("Assumed:")
    notes = [f"{phase.phase}: {phase.note}." for phase in quote.phases if phase.note]
    for line in (*notes, *quote.assumptions):
        console.print(f"- {line}")
    console.print("Nothing was sent.")


def _table(quote: Quote) -> Table:
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


def _waiting(quote: Quote) -> str:
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


def _stops(quote: Quote, limits: Limits) -> list[str]:
    """What the limits would do, at the upper bound and at the lower one; empty if all fits."""
    high, low = quote.stop(limits), quote.stop(limits, low=True)
    if high is None:
        return []
    limit = f"{high.passed.option} {high.passed.limit:g} does not hold all of it"
    if low == high:
        return [f"{limit}: it stops before {_place(high)}."]
    lines = [f"{limit}: at the upper bound it stops before {_place(high)},"]
    if low is None:
        return [*lines, "at the lower one all of it fits."]
    return [*lines, f"at the lower one before {_place(low)}."]


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
