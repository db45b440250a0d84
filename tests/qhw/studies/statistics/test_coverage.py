"""What intervals over few training seeds cover is what the page says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.coverage import COVERED, coverage, coverage_in_words

EXPERIMENTS = 1500


@pytest.mark.parametrize(("skew", "sigma"), [(0, 0.0), (1, 0.5), (2, 1.0)])
@pytest.mark.parametrize("seeds", sorted(COVERED))
def test_the_coverage_that_is_told_is_measured(seeds: int, skew: int, sigma: float) -> None:
    rng = np.random.default_rng([seeds, skew])
    normal = rng.standard_normal((EXPERIMENTS, seeds, 1))
    of_seeds = np.exp(sigma * normal) if sigma else normal
    truth = math.exp(sigma**2 / 2) if sigma else 0.0
    values = of_seeds + 1e-3 * rng.standard_normal((EXPERIMENTS, seeds, 8))
    found = hierarchical_bootstrap(values, resamples=500)
    covered = int(((found.low <= truth) & (found.high >= truth)).sum())
    # Told in whole percent; further off than chance allows once in a thousand is wrong.
    told = COVERED[seeds][skew] / 100
    assert binom.ppf(1e-3, EXPERIMENTS, told - 0.006) <= covered
    assert covered <= binom.ppf(1 - 1e-3, EXPERIMENTS, told + 0.006)


def test_a_number_of_seeds_between_counts_as_the_fewer() -> None:
    assert coverage(7) == COVERED[5] and coverage(400) == COVERED[20]
    assert "5 training seeds. Those called 95 % cover 95 %" in coverage_in_words(5)
    with pytest.raises(ValueError, match="2 or more"):
        coverage(1)
