"""Numbers as people read them: tables, axes and intervals write them alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from qhw.studies.finding import Estimate

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
_TIED = re.compile(r"(?<=\d) (?=\[)|(?<=\d,) (?=[-+−]?\d[\d.,]*\])|(?<=\d) (?=%)")
"""Spaces inside an estimate with its interval, and before a percent sign."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int | None = None) -> str:
    """A number such as 16,384 or −0.047.

    Args:
        value: Finite.
        digits: After the point; without them four significant digits, or a power of ten.
    """
    if digits is None:
        return _free(value)
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.removeprefix("-")  # minus nought
    return text.replace("-", MINUS)


def interval(estimate: Estimate, digits: int | None = None) -> str:
    """An estimate such as 0.047 [0.036, 0.060]; without digits, as many as its interval allows."""
    shown = _digits_of(estimate) if digits is None else digits
    value, low, high = (number(part, shown) for part in _parts(estimate))
    return f"{value} [{low}, {high}]"


def common_digits(estimates: Sequence[Estimate]) -> int:
    """Digits after the point that suit a column: those of its narrowest interval, within reason."""
    each = [_digits_of(estimate) for estimate in estimates]
    return min(max(each), min(each) + 1)


def unbroken(text: str) -> str:
    """Text whose intervals are not broken across lines."""
    return _TIED.sub("\N{NO-BREAK SPACE}", text)


def _free(value: float) -> str:
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        whole = size >= 1000 or float(value).is_integer()
        return f"{value:,.0f}".replace("-", MINUS) if whole else f"{value:.4g}".replace("-", MINUS)
    power = math.floor(math.log10(size))
    factor = f"{value / 10**power:.3g}"
    raised = f"10{str(power).translate(_RAISED)}"
    if factor in ("1", "-1"):
        return raised if factor == "1" else MINUS + raised
    return f"{factor}×{raised}".replace("-", MINUS)


def _digits_of(estimate: Estimate) -> int:
    """Two significant digits of the interval's width."""
    width = estimate.high - estimate.low or abs(estimate.value) or 1.0
    return min(8, max(0, 1 - math.floor(math.log10(width))))


def _parts(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
