"""Break points of falling curves."""

from __future__ import annotations

import numpy as np
import pytest

from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.break_point import break_point


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng([len(request.node.name), 7])


def test_a_break_point_is_found_with_its_interval(rng: np.random.Generator) -> None:
    x = np.array([0, 0.5, 1, 2, 4, 8])
    curve = 1.0 - x / 4
    samples = curve + 0.1 * rng.standard_normal((500, 6))
    found = break_point(x, samples, 0.0, y=curve)
    assert found.at is not None and found.at.value == pytest.approx(4.0)
    assert 2.5 < found.at.low < 4 < found.at.high < 6
    assert not found.open_low and not found.open_high
    assert found.words().startswith("at 4 [")


def test_a_break_point_that_is_never_reached_is_bounded(rng: np.random.Generator) -> None:
    x = np.array([0.0, 1, 2])
    far = break_point(x, 5 - x + 0.01 * rng.standard_normal((100, 3)), 0.0)
    assert far.at is None and far.words() == "not before 2 (95 %)"
    near = break_point(x, 2.1 - x + 0.3 * rng.standard_normal((400, 3)), 0.0, y=2.1 - x)
    assert near.at is None and near.open_high and 1 < near.earliest < 2
    below = break_point(x, -1 - x + 0.01 * rng.standard_normal((100, 3)), 0.0)
    assert below.at is not None and below.open_low and "below 0" in below.words()


def test_noise_on_a_level_curve_is_no_early_break() -> None:
    x = np.arange(6.0)
    curve = np.array([1.0, -0.1, 1.0, 1.0, 0.5, -0.5])
    found = break_point(x, np.tile(curve, (10, 1)), 0.0)
    assert found.at is not None and found.at.value == pytest.approx(4.5)


def test_break_points_cover(rng: np.random.Generator) -> None:
    x = np.arange(6.0)
    centre = 2.5 - x
    covered = []
    for _ in range(200):
        data = centre[:, None] + rng.standard_normal((6, 40))
        means = hierarchical_bootstrap(data[:, None], resamples=200)
        place = break_point(x, means.replicates, 0.0, y=means.value)
        assert place.at is not None
        covered.append(place.at.low <= 2.5 <= place.at.high)
    assert np.mean(covered) > 0.9
