"""The comparison as people read it: one table of returns, one per eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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
DIVERSITY_EYE = "judge_0"
"""The eye whose features tell how far apart pictures of one class are."""
OUTSIDE = 0.05
HOW_TO_READ = (
    "Frechet: distance to real pictures in that eye's features, lower is better. 'at equal "
    "accuracy': that distance minus the constants' at the same accuracy in the same eye; below 0 "
    "is better than any constant. * the accuracy lies outside the constants' range, so the "
    "nearest constant is compared. Diversity: mean distance within a class. Intervals are 95 %, "
    "over latents, for this one training run."
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
    table = plain_table(
        f"Paired over the same {latents} latents", "return", "minus the constant's", "mean g"
    )
    for row in rows:
        cells = (signed(row.mean_return), signed(row.gain))
        table.add_row(row.name, *cells, f"{row.mean_guidance:.2f}")
    return table


def _eye(rows: Sequence[Row], eye: str, title: str) -> Table:
    last = "at equal accuracy"
    told = ("diversity", last) if eye == DIVERSITY_EYE else (last,)
    table = plain_table(f"Seen by {title}", "accuracy", "log p", "Frechet", *told)
    for row in rows:
        view = row.views[eye]
        mark = "*" if view.outside > OUTSIDE else " "
        numbers: tuple[str, ...] = (
            f"{view.accuracy:.3f}",
            f"{view.log_probability:.3f}",
            f"{view.frechet:.2f}",
        )
        if eye == DIVERSITY_EYE:
            numbers += (f"{row.diversity:.2f}",)
        table.add_row(row.name, *numbers, signed(view.equal_accuracy, 2) + mark)
    return table


def plain_table(title: str, *names: str) -> Table:
    """A table without frames that fits 80 columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0)
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def from_here(path: Path) -> Path:
    """A path as people would type it: relative where it lies below the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def listing(*names: str) -> Table:
    """A table of words: what does not fit is folded, never cut."""
    table = Table(box=box.SIMPLE, padding=0)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def signed(interval: Interval, digits: int = 3) -> str:
    """An estimate and its interval, such as +0.123 [-0.010, +0.210]; ten and more lose a digit."""
    numbers = (interval.estimate, interval.low, interval.high)
    shown = digits - (max(abs(number) for number in numbers) >= 10)
    estimate, low, high = (f"{number:+.{shown}f}" for number in numbers)
    return f"{estimate} [{low}, {high}]"
