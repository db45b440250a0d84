"""Figures of training seeds as a whole (Agarwal et al., arXiv 2108.13264)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]


def interquartile_mean(values: FloatArray) -> float:
    """Mean of the middle half of the seeds' mean returns (S,)."""
    return float(stats.trim_mean(values, 0.25))


def probability_of_improvement(values: FloatArray, others: FloatArray) -> float:
    """Share of pairs of seeds in which the one returns more than the other; ties count half."""
    ahead = values[:, None] - others[None, :]
    return float(((ahead > 0) + 0.5 * (ahead == 0)).mean())
