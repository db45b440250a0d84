"""Where a falling curve goes below a level, such as the noise that eats an advantage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhw.studies.finding import Estimate
from qhw.studies.statistics.bootstrap import TAIL
from qhw.studies.statistics.intervals import transformed

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BreakPoint:
    """Where a falling curve goes below a level.

    Attributes:
        at: With its interval, cut to the measured range; None where the curve never does.
        earliest: Lower end of the interval, even where `at` is None; the last x if none of the
            resamples goes below.
        open_low: The interval reaches beyond the first x.
        open_high: The interval reaches beyond the last x.
    """

    at: Estimate | None
    earliest: float
    open_low: bool
    open_high: bool

    def words(self, form: str = "{:.2g}") -> str:
        """What can be said of the place, such as `at 2.1 [1.8, 2.6]`."""
        if self.at is None:
            return f"not before {form.format(self.earliest)} (95 %)"
        return f"at {self.interval(form)}"

    def interval(self, form: str) -> str:
        """The place, such as `2.1 [1.8, beyond 8]`; there must be one."""
        assert self.at is not None
        low = "below " * self.open_low + form.format(self.at.low)
        high = "beyond " * self.open_high + form.format(self.at.high)
        return f"{form.format(self.at.value)} [{low}, {high}]"

    def rescaled(self, rising: Callable[[float], float]) -> BreakPoint:
        """The same place in what rises with x, such as a price."""
        at = self.at and transformed(self.at, rising, -math.inf)
        return replace(self, at=at, earliest=rising(self.earliest))


def break_point(
    x: ArrayLike, y_samples: ArrayLike, level: float, *, y: ArrayLike | None = None
) -> BreakPoint:
    """Find the break point of a falling curve, straight between neighbours.

    Each curve is made non-increasing first (isotonic regression), so that noise about a level part
    does not count as a break.

    Args:
        x: (X,) rising.
        y_samples: (B, X) bootstrap replicates of the curve.
        level: In the units of y.
        y: (X,) the curve itself; the replicates' median by default.

    Raises:
        ValueError: If x does not rise, or shapes do not fit.
    """
    places, samples = (np.asarray(each, dtype=np.float64) for each in (x, y_samples))
    curve = np.median(samples, axis=0) if y is None else np.asarray(y, dtype=np.float64)
    if samples.shape[1:] != places.shape or curve.shape != places.shape:
        raise ValueError(f"x has shape {places.shape}, y {curve.shape}, samples {samples.shape}")
    if (np.diff(places) <= 0).any():
        raise ValueError(f"x is {places}: it must rise")
    drawn = np.array([_first_below(places, row, level) for row in samples])
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL], method="nearest")
    place = _first_below(places, curve, level)
    ends = np.clip([place, low, high], places[0], places[-1])
    value, cut_low, cut_high = (float(end) for end in ends)
    at = Estimate(value=value, low=min(cut_low, value), high=max(cut_high, value))
    return BreakPoint(
        at=None if place > places[-1] else at,
        earliest=cut_low,
        open_low=bool(low < places[0]),
        open_high=bool(high > places[-1]),
    )


def break_points_of_seeds(x: ArrayLike, y: ArrayLike, level: float) -> list[float]:
    """Where each seed's own curve goes below a level.

    Args:
        x: (X,) rising.
        y: (S, X) a curve per training seed.
        level: In the units of y.

    Returns:
        S places; -inf where a curve starts below, inf where it never goes.
    """
    places = np.asarray(x, dtype=np.float64)
    return [_first_below(places, row, level) for row in np.asarray(y, dtype=np.float64)]


def spread_in_words(places: Sequence[float], form: str = "{:.2g}") -> str:
    """How far seeds' break points lie apart, such as `between 3.9 and 6.2, one never`."""
    there = sorted(place for place in places if math.isfinite(place))
    told = [f"between {form.format(there[0])} and {form.format(there[-1])}"] if there else []
    counts = (
        (sum(place == -math.inf for place in places), "below all that was played"),
        (sum(place == math.inf for place in places), "beyond all that was played"),
    )
    told += [f"for {count} of {len(places)} {where}" for count, where in counts if count]
    return ", ".join(told)


def _first_below(x: FloatArray, y: Sequence[float] | FloatArray, level: float) -> float:
    """Where the falling fit to y goes below the level; -inf if it starts there, inf if never."""
    from scipy.optimize import isotonic_regression

    falling = isotonic_regression(y, increasing=False).x
    below = np.flatnonzero(falling < level)
    if not below.size:
        return math.inf
    after = int(below[0])
    if after == 0:
        return -math.inf
    before = after - 1
    share = float((falling[before] - level) / (falling[before] - falling[after]))
    return float(x[before] + share * (x[after] - x[before]))
