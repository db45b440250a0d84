"""The statistics of the studies once more, by textbook formulas and scipy: what findings must say.

Nothing here comes from `qhw.studies.statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from qhw.studies.finding import Cell, Estimate, Finding, Table


@dataclass(frozen=True)
class Mean:
    """A mean of (S, N) numbers with its 95 % t interval and its two-sided p-value."""

    value: float
    low: float
    high: float
    p_value: float


def mean_of(values: ArrayLike) -> Mean:
    """Seeds and latents vary independently; Satterthwaite's degrees of freedom."""
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    parts = []
    for means in (rows.mean(axis=1), rows.mean(axis=0)):
        if len(means) > 1:
            parts.append((stats.sem(means) ** 2, len(means) - 1))
    variance = sum(part for part, _ in parts)
    value = float(rows.mean())
    if variance == 0:
        return Mean(value, value, value, float(value == 0))
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    error = np.sqrt(variance)
    low, high = stats.t.interval(0.95, freedom, value, error)
    p_value = 2 * stats.t.sf(abs(value) / error, freedom)
    return Mean(value, float(low), float(high), float(p_value))


def holm_by_hand(p_values: Sequence[float]) -> list[float]:
    """The definition: the largest of the earlier steps, each times the tests that are left."""
    ranks = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted = [0.0] * len(p_values)
    for step, k in enumerate(ranks):
        earlier = ranks[: step + 1]
        steps = [(len(p_values) - place) * p_values[each] for place, each in enumerate(earlier)]
        adjusted[k] = min(1.0, max(steps))
    return adjusted


def power_of_t_test(count: int, effect: float, alpha: float = 0.05) -> float:
    """Chance to see an effect of so many standard deviations with pairs: z over its own spread."""
    limit, shift = stats.t.isf(alpha / 2, count - 1), effect * np.sqrt(count)
    shares = (np.arange(4_000) + 0.5) / 4_000
    spreads = np.sqrt(stats.chi2.ppf(shares, count - 1) / (count - 1))
    seen = stats.norm.sf(limit * spreads - shift) + stats.norm.cdf(-limit * spreads - shift)
    return float(seen.mean())


def pairs_needed(sd: float, difference: float, alpha: float = 0.05) -> int:
    """The least sample whose t-test has 80 % power, tried one by one."""
    effect = abs(difference) / sd
    return next(n for n in range(2, 10_000) if power_of_t_test(n, effect, alpha) >= 0.8)


def assert_mean(cell: Cell, values: ArrayLike) -> None:
    """A cell shows the mean of (S, N) numbers, its interval as t's to a fifth of half its width."""
    expected = mean_of(values)
    assert isinstance(cell, Estimate)
    assert cell.value == pytest.approx(expected.value, abs=1e-12)
    slack = 0.2 * (expected.high - expected.low) / 2 + 1e-12
    assert cell.low == pytest.approx(expected.low, abs=slack)
    assert cell.high == pytest.approx(expected.high, abs=slack)


def value_of(cell: Cell) -> float:
    """The number of a cell that holds one."""
    assert isinstance(cell, Estimate | float | int), cell
    return cell.value if isinstance(cell, Estimate) else float(cell)


def column(table: Table, name: str, unit: str = "") -> list[Cell]:
    """A column's cells, found by its heading."""
    [place] = [k for k, c in enumerate(table.columns) if (c.name, c.unit) == (name, unit)]
    return [row[place] for row in table.rows]


def table_of(finding: Finding, identifier: str) -> Table:
    """A finding's table."""
    [found] = [table for table in finding.tables if table.id == identifier]
    return found
