"""Many tests at once: Holm's adjustment of a family."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ALPHA = 0.05
"""False alarms of a family, at most; of a single test, where there is one alone."""


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjust a family's p-values (k,) so that all its false alarms together stay below alpha.

    Holm (1979): the smallest is multiplied by k, the next by k - 1, and so on; never falling.

    Raises:
        ValueError: If one is outside [0, 1].
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"p-values {given}: give (k,) numbers in [0, 1]")
    order = np.argsort(given, kind="stable")
    scaled = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.maximum.accumulate(scaled).clip(max=1)
    return adjusted
