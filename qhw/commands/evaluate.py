"""`qhw evaluate`: a run's policy beside the best hand-made guidance, on the same latents."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from policy import ExpectationBackend
from qhw.backends.facts import NO_BACKEND
from qhw.console import plain_table, print_facts, signed
from qhw.devices.session import Display, paid_session
from qhw.evaluation.arms import Arms
from qhw.evaluation.beside_baselines import OUTSIDE, Row, compare_arms, gap_advice
from qhw.evaluation.citations import citations
from qhw.evaluation.eyes import DIVERSITY_EYE, EYES
from qhw.files import write_json
from qhw.runs.directory import RunDirectory
from qhw.runs.lock import sole_use
from qhw.threads import one_thread
from qhw.training.player import Player
from qhw.training.reopening import RESUME, requester_of, require_ledger

HOW_TO_READ = (
    "Frechet: distance to real pictures in that eye's features, lower is better. 'at equal "
    "accuracy': that distance minus the constants' at the same accuracy in the same eye; below 0 "
    "is better than any constant. * the accuracy lies outside the constants' range, so the "
    "nearest constant is compared. Diversity: mean distance within a class. Intervals are 95 %, "
    "over latents, for this one training run."
)


def evaluate_run(
    run: RunDirectory,
    latents: int,
    *,
    full: bool = False,
    published: bool = False,
    backend: ExpectationBackend | None = None,
) -> Arms[Row]:
    """Evaluate a run's newest checkpoint, write `evaluation.json`, print the table.

    See `qhw.evaluation.beside_baselines` for the arms.

    Args:
        run: A trained run.
        latents: Latents shared by all arms.
        full: Compare with every constant, ramp and random guidance too.
        published: Compare with published guidance too; choosing its numbers takes minutes, once.
        backend: The one of one's own that the run was trained on, if it was.

    Raises:
        BusyError: If the run's device is used by another process.
    """
    paid = run.config.backend.takes_jobs
    with sole_use(run.path) if paid else nullcontext():
        command = f"evaluate --latents {latents}"
        return evaluate_under_lock(
            run, latents, full=full, published=published, backend=backend, command=command
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
) -> Arms[Row]:
    """As `evaluate_run`, for whoever has the run to itself already; `command` goes on with it."""
    console = Console()
    display = Display(console)
    requester = requester_of(run, display, command)
    player = Player.of(run, backend=backend, requester=requester, go_on=True)
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
    write_json(run.path / "evaluation.json", {**record, **footer})
    print_comparison(console, rows, latents, footer, warnings)
    return rows


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
    title = f"Paired over the same {latents} latents"
    table = plain_table(title, "return", "minus the constant's", "mean g")
    for row in rows:
        cells = (signed(row.mean_return), signed(row.gain), f"{row.mean_guidance:.2f}")
        table.add_row(row.name, *cells)
    console.print(table)
    for eye, looker in EYES.items():
        console.print(_eye(rows, eye, looker.described))
    console.print(HOW_TO_READ)
    console.print(citations(row.name for row in rows))
    for line in warnings:
        console.print(line, style="yellow")
    print_facts(console, footer)


def _eye(rows: Arms[Row], eye: str, title: str) -> Table:
    last = "at equal accuracy"
    headers = ("diversity", last) if eye == DIVERSITY_EYE else (last,)
    table = plain_table(f"Seen by {title}", "accuracy", "log p", "Frechet", *headers)
    for row in rows:
        view = row.views[eye]
        mark = "*" if view.outside > OUTSIDE else " "
        numbers = [f"{view.accuracy:.3f}", f"{view.log_probability:.3f}", f"{view.frechet:.2f}"]
        if eye == DIVERSITY_EYE:
            numbers.append(f"{row.diversity:.2f}")
        table.add_row(row.name, *numbers, signed(view.equal_accuracy, 2) + mark)
    return table
