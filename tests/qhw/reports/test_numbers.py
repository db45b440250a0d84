from __future__ import annotations

import pytest

from qhw.reports.numbers import common_digits, interval, number, small, typeset
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


def test_a_column_has_as_many_digits_as_its_narrowest_interval() -> None:
    wide, narrow = (Estimate(value=0.5, low=0.5 - w, high=0.5 + w) for w in (0.2, 0.02))
    assert common_digits([wide]) == 2
    assert common_digits([wide, narrow]) == 3


def test_numbers_of_many_sizes_have_their_own_digits() -> None:
    """A column of divergences from 5 to 0.00003 would else be 5.3, 0.1, 0.0, 0.0."""
    wide, narrow = (Estimate(value=0.5, low=0.5 - w, high=0.5 + w) for w in (0.2, 0.0002))
    assert common_digits([wide, narrow]) is None


def test_a_nought_that_nothing_moves_is_plain_and_asks_for_no_digits() -> None:
    still, known = Estimate(value=0, low=0, high=0), Estimate(value=0.03, low=0.02, high=0.04)
    assert interval(still, 4) == "0"
    assert common_digits([still, known]) == common_digits([known])
    assert common_digits([still]) == 0


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (3e-9, 4, "<0.0001"),
        (0.0, 4, "0.0000"),
        (0.0312, 3, "0.031"),
        (0.2, 0, "0"),
        (-1e-9, 3, "0.000"),
    ],
)
def test_a_p_value_that_its_digits_cannot_hold_is_not_0(
    value: float, digits: int, text: str
) -> None:
    assert small(value, digits) == text


def test_an_interval_stays_on_one_line() -> None:
    text = "from 0.047 [−0.036, 0.060] to 80 % [a, b]"
    assert typeset(text).replace("\N{NO-BREAK SPACE}", "_") == (
        "from 0.047_[−0.036,_0.060] to 80_% [a, b]"
    )


def test_signs_are_minus_signs_and_per_cents_stand_apart() -> None:
    text = "-1% [-0.1, -0.2] (-3) aer_noisy-1 on 2025-02-26, --seed 1, 1e-9, 4-qubit"
    assert typeset(text).replace("\N{NO-BREAK SPACE}", "_") == (
        "−1_% [−0.1,_−0.2] (−3) aer_noisy-1 on 2025-02-26, --seed 1, 1e-9, 4-qubit"
    )
