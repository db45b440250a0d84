"""The comparison as people read it: one table of returns, one per eye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from diffusion.comparison import Interval
    from qhw.evaluation import Row

TITLES = {
    "proxy": "the proxy, which gave the reward",
    "judge_0": "judge 1 (a plain CNN), never rewarded",
    "judge_1": "judge 2 (another ResNet), never rewarded",
}
OUTSIDE = 0.05
HOW_TO_READ = (
    "Frechet: distance to real pictures in that eye's features, lower is better. 'at equal "
    "accuracy': that distance minus the constants' at the same accuracy in the same eye; below 0 "
    "is better than any constant. * the accuracy lies outside the constants' range, so the "
    "nearest constant is compared. Intervals are 95 %, over latents, for this one training run."
)


def print_comparison(
    console: Console,
    rows: Sequence[Row],
    latents: int,
    footer: dict[str, Any],
    warnings: Sequence[str],
) -> None:
    """Print returns, then each eye's view, then how to read them and what was run."""
    console.print(_returns(rows, latents))
    for eye, title in TITLES.items():
        console.print(_eye(rows, eye, title))
    console.print(HOW_TO_READ)
    for line in warnings:
        console.print(line, style="yellow")
    print_facts(console, footer)


def print_facts(console: Console, facts: dict[str, Any]) -> None:
    """Print names and values, as many to a line as fit."""
    console.print(" | ".join(f"{key}: {value}" for key, value in facts.items()))


def _returns(rows: Sequence[Row], latents: int) -> Table:
    table = _table(f"Paired over the same {latents} latents", "return", "minus the constant's")
    for name in ("mean g", "diversity"):
        table.add_column(name, justify="right")
    for row in rows:
        cells = (signed(row.mean_return), signed(row.gain))
        table.add_row(row.name, *cells, f"{row.mean_guidance:.2f}", f"{row.diversity:.2f}")
    return table


def _eye(rows: Sequence[Row], eye: str, title: str) -> Table:
    names = ("accuracy", "log p", "Frechet", "at equal accuracy")
    table = _table(f"Seen by {title}", *names)
    for row in rows:
        view = row.views[eye]
        mark = "*" if view.outside > OUTSIDE else " "
        numbers = (f"{view.accuracy:.3f}", f"{view.log_probability:.3f}", f"{view.frechet:.2f}")
        table.add_row(row.name, *numbers, signed(view.equal_accuracy, 2) + mark)
    return table


def _table(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def signed(interval: Interval, digits: int = 3) -> str:
    """An estimate and its interval, such as +0.123 [-0.010, +0.210]."""
    low, high = (f"{value:+.{digits}f}" for value in (interval.low, interval.high))
    return f"{interval.estimate:+.{digits}f} [{low}, {high}]"
