"""Intervals on other scales, and in words."""

from __future__ import annotations

import math
from collections.abc import Callable

from qhw.studies.finding import Estimate


def transformed(estimate: Estimate, rising: Callable[[float], float], floor: float) -> Estimate:
    """An interval on another scale, such as the root of a mean square.

    Args:
        estimate: On the present scale.
        rising: Turns numbers from `floor` on into the new scale, order kept.
        floor: Ends below it are raised to it.
    """
    ends = (rising(max(end, floor)) for end in (estimate.value, estimate.low, estimate.high))
    value, low, high = ends
    return Estimate(value=value, low=low, high=high)


def of_positive(estimate: Estimate) -> Estimate:
    """The interval of a mean of numbers above 0, such as squares, as far to both sides in ratio.

    Such numbers are skewed to the right, and the mean of a few is more often far too small than far
    too large. Where controllers differ in their errors by half, intervals of a mean square covered
    83 % with five seeds as they were and 88 % so; by a fifth, 92 % and 93 %.
    """
    if estimate.value <= 0:
        return estimate
    ends = (math.exp(end / estimate.value - 1) for end in (estimate.low, estimate.high))
    low, high = (estimate.value * end for end in ends)
    return Estimate(value=estimate.value, low=low, high=high)


def root(square: Estimate) -> Estimate:
    """The root of a mean of squares."""
    return transformed(of_positive(square), math.sqrt, 0.0)


def shown(estimate: Estimate, form: str = "") -> str:
    """An estimate in a sentence, such as `0.12 [0.10, 0.14]`; its own digits without a form."""
    form = form or f"{{:.{digits_of(estimate)}f}}"
    value, low, high = (form.format(part) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def digits_of(estimate: Estimate) -> int:
    """Digits after the point that show two significant digits of the interval's width."""
    width = estimate.high - estimate.low or abs(estimate.value) or 1.0
    return min(8, max(0, 1 - math.floor(math.log10(width))))


def excludes(estimate: Estimate, value: float = 0.0) -> bool:
    """Whether the 95 % interval lies on one side of a value."""
    return estimate.low > value or estimate.high < value
