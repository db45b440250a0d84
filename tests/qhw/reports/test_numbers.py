from __future__ import annotations

import pytest

from qhw.reports.numbers import common_digits, interval, number, unbroken
from qhw.studies.finding import Estimate


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (16384, 0, "16,384"),
        (16384, None, "16,384"),
        (0.5, None, "0.5"),
        (0, None, "0"),
        (-0.0471, 3, "−0.047"),
        (-0.0001, 3, "0.000"),
        (1e-4, None, "10⁻⁴"),
        (-1e-4, None, "−10⁻⁴"),
        (2.5e-5, None, "2.5×10⁻⁵"),
        (3e8, None, "3×10⁸"),
        (1024.7, None, "1,025"),
    ],
)
def test_a_number_reads_like_this(value: float, digits: int | None, text: str) -> None:
    assert number(value, digits) == text


def test_an_interval_shows_what_it_allows() -> None:
    assert interval(Estimate(value=0.0471, low=0.0362, high=0.0598)) == "0.047 [0.036, 0.060]"
    assert interval(Estimate(value=412.3, low=380.1, high=441.0)) == "412 [380, 441]"
    assert interval(Estimate(value=1, low=1, high=1), 2) == "1.00 [1.00, 1.00]"


def test_a_column_has_as_many_digits_as_its_narrowest_interval_within_reason() -> None:
    wide, narrow = (Estimate(value=0.5, low=0.5 - w, high=0.5 + w) for w in (0.2, 0.0002))
    assert common_digits([wide]) == 2
    assert common_digits([wide, narrow]) == 3


def test_an_interval_stays_on_one_line() -> None:
    text = "from 0.047 [−0.036, 0.060] to 80 % [a, b]"
    assert unbroken(text).replace("\N{NO-BREAK SPACE}", "_") == (
        "from 0.047_[−0.036,_0.060] to 80_% [a, b]"
    )
