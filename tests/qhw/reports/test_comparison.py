"""Two reports side by side."""

from __future__ import annotations

import numpy as np
import pytest

from qhw.reports.comparison import change, compare_reports
from qhw.reports.results import results_of
from qhw.studies.finding import Estimate, Finding, Table, Verdict


def around(value: float, half: float = 0.01) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half)


def report(device: str, *values: float, unit: str = "of return") -> list[Finding]:
    rows = [(f"row {k}", around(value)) for k, value in enumerate(values)]
    table = Table.of("returns", "t", ["what", ("return", 3)], rows, "r")
    verdict = Verdict(
        line="noise_cost",
        number=f"{values[0]} [below 0, 1]",
        unit=unit,
        words="w",
        estimate=around(values[0]),
    )
    facts: dict[str, str | int | float] = {"device": device, "training seeds": 5}
    return [
        Finding(
            study="task",
            question="q",
            answer="a",
            verdict=(verdict,),
            tables=(table,),
            provenance=facts,
        )
    ]


def test_independent_intervals_add_as_squares() -> None:
    moved = change(Estimate(value=1, low=0.7, high=1.1), Estimate(value=2, low=1.6, high=2.3))
    assert moved.value == 1
    assert moved.low == pytest.approx(1 - np.hypot(0.4, 0.1))
    assert moved.high == pytest.approx(1 + np.hypot(0.3, 0.3))


def test_what_chance_explains_is_not_apart() -> None:
    one, other = (results_of(report(f"d{k}", *v)) for k, v in enumerate([(0.1, 0.2), (0.5, 0.201)]))
    found = compare_reports(one, other)
    assert (found.facts[0].one, found.facts[0].other) == ("d0", "d1")
    first, second = found.differences
    assert (first.row, first.apart) == ("row 0", True)
    assert (second.row, second.apart) == ("row 1", False)
    assert first.change.value == pytest.approx(0.4)
    assert found.changes["What noise costs"].value == pytest.approx(0.4)


def test_equal_reports_differ_in_nothing() -> None:
    one = results_of(report("d", 0.1, 0.2))
    found = compare_reports(one, one)
    assert [each.p_value for each in found.differences] == [1.0, 1.0]


def test_numbers_of_one_alone_and_other_units_are_left_out() -> None:
    one = results_of(report("d", 0.1, 0.2, 0.3))
    other = results_of(report("d", 0.1, unit="times d's errors"))
    found = compare_reports(one, other)
    assert len(found.differences) == 1 and found.changes == {}
    assert compare_reports(one, results_of([])).differences == ()


def test_false_alarms_stay_at_their_rate() -> None:
    """Two reports of the same truth: one comparison in twenty tells any difference at most."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(400):
        one, other = (
            results_of(report("d", *(0.01 / 1.96 * rng.standard_normal(20)))) for _ in range(2)
        )
        alarms += compare_reports(one, other).differences[0].apart
    assert alarms <= 33, "20 are expected, and 33 come once in 500"
