"""The paired comparison as people read it: one table of returns, one per eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from diffusion.comparison import Interval
from qhw.console import plain_table, print_facts, signed

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


@dataclass(frozen=True)
class View:
    """An arm in one eye; intervals are 95 %, paired over latents.

    Attributes:
        accuracy: Share of pictures whose wanted class the eye names.
        log_probability: Mean log p of the wanted class, nats.
        frechet: Frechet distance to real pictures in the eye's features.
        equal_accuracy: That distance minus the constants' at equal accuracy in the same eye.
        outside: Share of resamples whose accuracy lies outside the constants' range.
    """

    accuracy: float
    log_probability: float
    frechet: float
    equal_accuracy: Interval
    outside: float


@dataclass(frozen=True)
class Row:
    """One arm of the table; intervals are 95 %, paired over latents.

    Attributes:
        name: Of the arm.
        mean_return: With its interval.
        gain: Return minus the best constant's.
        mean_guidance: Over steps and latents.
        diversity: Mean feature distance within a class, first judge.
        views: One per eye.
    """

    name: str
    mean_return: Interval
    gain: Interval
    mean_guidance: float
    diversity: float
    views: dict[str, View]


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
