"""Medians, which a few extreme numbers do not move."""

from __future__ import annotations

import numpy as np
import pytest

from qhw.studies.statistics.medians import median_estimate


def test_a_median_and_its_interval() -> None:
    rng = np.random.default_rng(1)
    values = 30 + rng.standard_normal((4, 200))
    found = median_estimate(values)
    assert found.value == np.median(values)
    assert found.low < found.value < found.high
    # 1.25 / sqrt(800) each way, times 1.96, and latents are shared by the four seeds: up to twice.
    assert 0.1 < found.high - found.low < 0.5


def test_equal_pictures_do_not_rule_it() -> None:
    values = np.full((3, 100), 30.0)
    values[:, :30] = 100.0
    assert median_estimate(values).value == 30.0
    assert values.mean() == pytest.approx(51.0)


def test_one_seed_is_resampled_over_its_episodes() -> None:
    rng = np.random.default_rng(2)
    found = median_estimate(rng.standard_normal((1, 100)))
    assert found.low < found.value < found.high
