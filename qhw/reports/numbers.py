"""Numbers as people read them: tables, axes and intervals write them alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from qhw.studies.finding import Estimate
from qhw.studies.statistics.intervals import digits_of

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
_TIED = re.compile(r"(?<=\d) (?=\[)|(?<=\d,) (?=[-+−]?\d[\d.,]*\])|(?<=\d) ?(?=%)")
"""Spaces inside an estimate with its interval, and before a percent sign, even where none is."""
_NEGATIVE = re.compile(r"(?<![^\s(\[])-(?=\d)")
"""A hyphen that is the sign of a number, not part of a name or a date."""
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
    """An estimate such as 0.047 [0.036, 0.060]; without digits, as many as its interval allows.

    A 0 that nothing can move, such as the spread of values without shots, is just 0.
    """
    if _certain(estimate) and estimate.value == 0:
        return "0"
    shown = digits_of(estimate) if digits is None else digits
    value, low, high = (
        number(part, shown) for part in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


def small(value: float, digits: int | None) -> str:
    """A number alone in its cell: one too small for the digits says so, such as <0.001."""
    text = number(value, digits)
    vanished = value > 0 and digits and not any(letter in "123456789" for letter in text)
    return f"<{number(10.0**-digits, digits)}" if digits and vanished else text


def common_digits(estimates: Sequence[Estimate]) -> int | None:
    """Digits after the point that suit a column; None where its numbers are of too many sizes."""
    each = [digits_of(estimate) for estimate in estimates if not _certain(estimate)] or [0]
    return max(each) if max(each) <= min(each) + 1 else None


def _certain(estimate: Estimate) -> bool:
    """Whether there is no interval to speak of, such as the spread of values without shots."""
    return estimate.low == estimate.value == estimate.high


def typeset(text: str) -> str:
    """Text with minus signs, and with intervals that are not broken across lines."""
    signed = _NEGATIVE.sub(MINUS, text).replace("+-", "\N{PLUS-MINUS SIGN}")
    return _TIED.sub("\N{NO-BREAK SPACE}", signed)


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
