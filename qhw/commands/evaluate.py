"""`qhw evaluate`: a run's policy beside the best hand-made guidance, on the same latents."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from diffusion.comparison import Interval
from policy import ExpectationBackend
from qhw.backends.facts import NO_BACKEND
from qhw.config import RunConfig
from qhw.console.output import show, terminal
from qhw.console.tables import from_here, plain_table, print_facts, resolved
from qhw.devices.session import Display, paid_session
from qhw.evaluation.arms import Arms
from qhw.evaluation.beside_baselines import OUTSIDE, Row, compare_arms, gap_advice
from qhw.evaluation.citations import citations
from qhw.evaluation.eyes import ALL_EYES, DIVERSITY_EYE
from qhw.evaluation.likeness import MEASURES, PER_CLASS, REAL, SAME_LATENT
from qhw.runs.directory import RunDirectory
from qhw.runs.lock import sole_use
from qhw.runs.summary import returns
from qhw.threads import one_thread
from qhw.training.player import Player
from qhw.training.reopening import RESUME, requester_of, require_ledger, require_own_backend

HOW_TO_READ = (
    "Frechet: distance to real pictures in that eye's features, lower is better. 'at equal log p': "
    "that distance minus the constants' at the same mean log p in the same eye; below 0 is better "
    "than the constants of that log p. The placebos are constants that are not among those "
    "compared with, so what they read is how exact the comparison is: ~ is not resolved, since it "
    "is no larger than that or its interval holds 0. * no constant reaches that log p, so the one "
    "of the highest is compared. AlexNet names no classes: accuracy and log p there are the means "
    "of the two judges'. Diversity: mean distance within a class. Intervals are 95 %, over "
    "latents, for this one training run."
)
NOTHING_TOLD: Mapping[str, Any] = MappingProxyType({})
TABLES = ("latents", "arms", "rows", "advice", "drift")
"""What a kept table holds beside the facts below it."""
FEW = 2000
"""Latents below which the unbiased kernel distance stands beside Frechet's, biased as 1/N."""
DIGITS = (1, 3, 3)
"""After the point, of each of `MEASURES`."""
HOW_TO_READ_PAPER = (
    "PSNR, SSIM: higher is more alike; LPIPS: lower. arXiv 2509.14163 reports them on so many "
    "pictures. Against the same latent under the base guidance they say how far a way of guiding "
    "moves a picture, not which is better. Real pictures of the class have neither pose nor cut in "
    "common with what is sampled, so that blur wins. ± is half a 95 % interval."
)


def evaluate_run(
    run: RunDirectory,
    latents: int,
    *,
    full: bool = False,
    published: bool = False,
    backend: ExpectationBackend | None = None,
    config: RunConfig | None = None,
) -> Arms[Row]:
    """Evaluate a run's newest checkpoint, keep the table, print it.

    See `qhw.evaluation.beside_baselines` for the arms.

    Args:
        run: A trained run.
        latents: Latents shared by all arms.
        full: Compare with every constant, ramp and random guidance too; the paper's metrics.
        published: Compare with published guidance too; choosing its numbers takes minutes, once.
        backend: The one of one's own that the run was trained on, if it was.
        config: Other settings to evaluate it under.

    Raises:
        BusyError: If the run's device is used by another process.
    """
    paid = run.config.backend.takes_jobs
    with sole_use(run.path) if paid else nullcontext():
        command = f"evaluate --latents {latents}"
        return evaluate_under_lock(
            run,
            latents,
            full=full,
            published=published,
            backend=backend,
            command=command,
            config=config,
        )


@one_thread()
def evaluate_under_lock(
    run: RunDirectory,
    latents: int,
    *,
    full: bool = False,
    published: bool = False,
    backend: ExpectationBackend | None = None,
    command: str = RESUME,
    config: RunConfig | None = None,
    told: Mapping[str, Any] = NOTHING_TOLD,
) -> Arms[Row]:
    """As `evaluate_run`, for whoever has the run to itself already.

    `command` goes on with it. Facts in `told` were printed before, and are not again unless their
    value is another now.
    """
    console = terminal()
    display = Display(console)
    requester = requester_of(run, display, command)
    if backend is None:
        require_own_backend(run)
    player = Player.of(run, config, backend=backend, requester=requester, go_on=True)
    started = time.perf_counter()
    with paid_session(console, player.paid_backend, run.path):
        require_ledger(run, player.paid_backend, player.updates)
        rows = compare_arms(player, latents, full=full, published=published, display=display)
    footer = _footer(run, player, time.perf_counter() - started)
    warnings = gap_advice(rows)
    record = {
        "latents": latents,
        "arms": rows.names,
        "rows": [asdict(row) for row in rows],
        "advice": warnings,
        "drift": player.paid_backend.drift.state()["notes"] if player.paid_backend else [],
    }
    run.keep_evaluation({**record, **footer})
    untold = {name: value for name, value in footer.items() if told.get(name) != value}
    show(
        {"run": run.name, **record, **footer},
        lambda printed: print_comparison(printed, rows, latents, untold, warnings),
    )
    return rows


def print_finished(run: RunDirectory) -> None:
    """Say that a run is finished, and print the table that is there."""
    record = run.evaluation
    assert record is not None, "a finished run is evaluated"
    terminal().print(
        f"{from_here(run.path)} is finished: {record['updates']} updates, evaluated on "
        f"{record['latents']} latents.",
        soft_wrap=True,
    )
    footer = {name: value for name, value in record.items() if name not in TABLES}
    try:
        rows = Arms.read(record).map(TypeAdapter(Row).validate_python)
    except ValidationError:
        terminal().print(
            f"An earlier version wrote its table; `qhw evaluate {run.name}` does it anew."
        )
        return
    latents, advice = record["latents"], record["advice"]
    show(
        {"run": run.name, **record},
        lambda printed: print_comparison(printed, rows, latents, footer, advice),
    )


def _footer(run: RunDirectory, player: Player, evaluation_seconds: float) -> dict[str, Any]:
    facts = run.read_json("provenance.json")
    seconds = sum(sum(record["seconds"].values()) for record in run.metrics())
    return {
        "parameters": facts["parameters"],
        "updates": player.updates,
        "gradient rule": facts["gradient_rule"],
        **(facts["backend"] or NO_BACKEND),
        **(player.paid_backend.drift.facts().words() if player.paid_backend else {}),
        "training seconds": round(seconds, 1),
        "evaluation seconds": round(evaluation_seconds, 1),
    }


def print_comparison(
    console: Console, rows: Arms[Row], latents: int, footer: dict[str, Any], warnings: Sequence[str]
) -> None:
    """Print returns, then each eye's view, then how to read them and what was run."""
    console.print(returns(latents, map(asdict, rows)))
    for eye, looker in ALL_EYES.items():
        console.print(_eye(rows, eye, looker.described))
    if latents < FEW:
        console.print(_kernels(rows))
    console.print(HOW_TO_READ)
    if rows.policy.likeness:
        _print_paper_metrics(console, rows)
    console.print(citations(row.name for row in rows))
    for line in warnings:
        console.print(line, style="yellow")
    print_facts(console, footer)


def _eye(rows: Arms[Row], eye: str, title: str) -> Table:
    last = "at equal log p"
    headers = ("diversity", last) if eye == DIVERSITY_EYE else (last,)
    resolution = rows.policy.views[eye].resolution
    heading = f"Seen by {title}; resolution {resolution:.2f}"
    table = plain_table(heading, "accuracy", "log p", "Frechet", *headers)
    for row in rows:
        view = row.views[eye]
        mark = "*" if view.outside > OUTSIDE else " "
        numbers = [f"{view.accuracy:.3f}", f"{view.log_probability:.3f}", f"{view.frechet:.2f}"]
        if eye == DIVERSITY_EYE:
            numbers.append(f"{row.diversity:.2f}")
        table.add_row(row.name, *numbers, resolved(view.at_equal_log_p, resolution) + mark)
    return table


def _kernels(rows: Arms[Row]) -> Table:
    """Distances that few latents do not bias."""
    title = "Kernel distance to real pictures, unbiased, x 1000"
    table = plain_table(title, *(eye.title for eye in ALL_EYES.values()))
    for row in rows:
        table.add_row(row.name, *(f"{1000 * row.views[eye].kernel:.1f}" for eye in ALL_EYES))
    return table


def _print_paper_metrics(console: Console, rows: Arms[Row]) -> None:
    base = rows.base.name
    for reference, told in (
        (SAME_LATENT, f"The paper's metrics against the same latent under {base}"),
        (REAL, "The paper's metrics against real pictures of the class"),
    ):
        if f"{reference}/{MEASURES[0]}" not in rows.base.likeness:
            console.print(f"{told}: left out, the bundle holds no real pictures.")
            continue
        table = plain_table(f"{told}, {PER_CLASS} of each class", *MEASURES)
        for row in rows:
            values = (row.likeness[f"{reference}/{name}"] for name in MEASURES)
            table.add_row(row.name, *map(_likeness, values, DIGITS))
        console.print(table)
    console.print(HOW_TO_READ_PAPER)


def _likeness(value: Interval | None, digits: int) -> str:
    if value is None:
        return "itself"
    return f"{value.estimate:.{digits}f} ±{(value.high - value.low) / 2:.{digits}f}"
