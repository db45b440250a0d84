"""Intervals on other scales."""

from __future__ import annotations

import math

import pytest

from qhw.studies.finding import Estimate
from qhw.studies.statistics.intervals import excludes, of_positive, root, shown, transformed


def test_an_interval_moves_to_another_scale() -> None:
    moved = transformed(Estimate(value=4, low=-1, high=9), math.sqrt, 0.0)
    assert moved == Estimate(value=2, low=0, high=3)
    assert shown(moved) == "2.0 [0.0, 3.0]"
    assert not excludes(moved) and excludes(moved, 4)


def test_a_positive_mean_has_an_interval_in_ratio() -> None:
    moved = of_positive(Estimate(value=4, low=-4, high=12))
    assert moved.low == pytest.approx(4 / math.e**2) and moved.high == pytest.approx(4 * math.e**2)
    narrow = of_positive(Estimate(value=4, low=3.99, high=4.01))
    assert (narrow.low, narrow.high) == pytest.approx((3.99, 4.01), abs=1e-4)
    assert root(Estimate(value=4, low=4, high=4)) == Estimate(value=2, low=2, high=2)
    nothing = Estimate(value=0, low=0, high=0)
    assert of_positive(nothing) == nothing == root(nothing)
