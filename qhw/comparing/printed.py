"""Two runs' comparison as people read it, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from qhw.comparing.policies import EqualAccuracy, Metric
from qhw.comparing.result import Comparison
from qhw.comparing.settings import Difference
from qhw.console import listing, plain_table, print_facts, signed

OUTSIDE = 0.05
ONE_SEED_EACH = (
    "One training seed each: this compares two policies, not the two methods that made them. For "
    "methods, train several seeds of both."
)
HOW_TO_READ = (
    "B minus A is paired over the same latents; intervals are 95 %: one that holds 0 does not tell "
    "A from B, and of twenty one misses by chance. log p and accuracy: higher is better; Frechet: "
    "lower is better, the larger the fewer the latents, and fair between A and B only at equal "
    "accuracy, so the second table sets each beside constant guidance of its own accuracy: below 0 "
    "is better than any constant, and B minus A below 0 says that B gains more. * an accuracy lies "
    "outside the constants' range, so the nearest constant is compared."
)
NO_RETURNS = "The runs were rewarded differently, so their returns are not compared."


def print_runs(
    console: Console, facts: tuple[dict[str, Any], dict[str, Any]], comparison: Comparison
) -> None:
    """Print who is compared, the differing settings, both tables, and how to read them."""
    for letter, told in zip("AB", facts, strict=True):
        console.print(
            f"{letter}: {told['run']}, seed {told['seed']}, {told['updates']} updates, "
            f"played on {_played_on(told['backend'])}"
        )
    console.print(settings_table(comparison.settings))
    console.print(metrics_table(comparison.metrics, comparison.latents))
    if not comparison.returns_compared:
        console.print(NO_RETURNS, style="yellow")
    console.print(equal_accuracy_table(comparison.equal_accuracy))
    alike = {
        name: f"{i['estimate']:.3f} [{i['low']:.3f}, {i['high']:.3f}]"
        for name, i in comparison.alike.items()
    }
    console.print("B's pictures against A's, latent by latent:")
    print_facts(console, alike)
    console.print(HOW_TO_READ)
    console.print(ONE_SEED_EACH, style="bold")


def _played_on(backend: Any) -> str:
    if not isinstance(backend, dict):
        return str(backend)
    shown = {name: backend[name] for name in ("device", "noise scale", "shots") if name in backend}
    return ", ".join([backend["backend"], *(f"{name} {value}" for name, value in shown.items())])


def settings_table(settings: Sequence[Difference]) -> Table | str:
    """The settings that differ."""
    if not settings:
        return "Both runs have the same settings."
    table = listing("setting that differs", "A", "B")
    for each in settings:
        table.add_row(each.setting, each.first, each.second)
    return table


def metrics_table(metrics: Sequence[Metric], latents: int) -> Table:
    """All metrics, one per line."""
    table = plain_table(f"The same {latents} latents", "A", "B", "B minus A")
    for each in metrics:
        numbers = (f"{value:.3f}" for value in (each.first, each.second))
        table.add_row(each.name, *numbers, signed(each.difference))
    return table


def equal_accuracy_table(rows: Sequence[EqualAccuracy]) -> Table:
    """Each policy beside the constants, one eye per line."""
    title = "Frechet distance minus the constants' at equal accuracy"
    table = plain_table(title, "A", "B", "B minus A")
    for row in rows:
        mark = "*" if row.outside > OUTSIDE else " "
        found = (signed(each, 2) for each in (row.first, row.second, row.difference))
        table.add_row(row.eye + mark, *found)
    return table
