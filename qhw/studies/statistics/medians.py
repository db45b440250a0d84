"""Medians with their intervals, for numbers that a few extreme ones would rule the mean of."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from diffusion.comparison import resample_counts
from qhw.studies.finding import Estimate
from qhw.studies.statistics.bootstrap import BOOTSTRAP_SEED, RESAMPLES, TAIL


def median_estimate(values: ArrayLike) -> Estimate:
    """The median over seeds and episodes; resampled as `hierarchical_bootstrap` does, unstretched.

    Args:
        values: (S, N) one row per seed.
    """
    array = np.asarray(values, dtype=np.float64)
    seeds, episodes = array.shape
    of_seeds = resample_counts(seeds, RESAMPLES, BOOTSTRAP_SEED)
    of_episodes = resample_counts(episodes, RESAMPLES, BOOTSTRAP_SEED + 1)
    order = np.argsort(array, axis=None, kind="stable")
    row, column = np.unravel_index(order, array.shape)
    reached = np.cumsum(of_seeds[:, row] * of_episodes[:, column], axis=1)
    middle = np.argmax(2 * reached >= reached[:, -1:], axis=1)
    medians = array.ravel()[order][middle]
    low, high = np.quantile(medians, [TAIL, 1 - TAIL])
    value = float(np.median(array))
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))
