"""`qhw plan`: quote what a command would take on a device, and print the quote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from qhw.budget.limits import Limits
from qhw.budget.planning import limits_of, named_device, plan_run, plan_training
from qhw.budget.quote import Quote, Stop
from qhw.budget.quote_table import assumptions, quote_table, share_of_plan, waiting
from qhw.config import RunConfig, merge
from qhw.console.output import show, terminal
from qhw.errors import HardwareError
from qhw.known import DeviceName, has_credentials
from qhw.runs.directory import open_run
from qhw.runs.settings import settings_on_backend, training_settings


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
    from qhw.training.reopening import require_own_circuit

    trained = open_run(run)
    require_own_circuit(trained)
    own = trained.config
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
    console.print(quote_table(quote))
    console.print(share_of_plan(quote))
    console.print(waiting(quote))
    for line in (*_stops(quote, limits), *quote.warnings):
        console.print(line, style="yellow")
    console.print("Assumed:")
    for line in assumptions(quote):
        console.print(f"- {line}")
    console.print("Nothing was sent.")


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
