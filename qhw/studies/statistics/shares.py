"""Shares: what one mean is of another, with the errors of both."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qhw.studies.finding import Estimate
from qhw.studies.statistics.bootstrap import TAIL, hierarchical_bootstrap


def share_of(part: ArrayLike, whole: ArrayLike) -> Estimate | None:
    """The mean of `part` over that of `whole`, seeds and latents of both resampled together.

    Where the same controllers and latents make both, what they share leaves the interval.

    Args:
        part: (S, N).
        whole: (S, N), or (N,) where it is the same for all seeds.

    Returns:
        None where the interval of `whole` meets 0: then nothing is a share of it.
    """
    numerator = np.asarray(part, dtype=np.float64)
    denominator = np.broadcast_to(np.asarray(whole, dtype=np.float64), numerator.shape)
    found = hierarchical_bootstrap(np.stack([numerator, denominator]))
    if not (found.low[1] > 0 or found.high[1] < 0):
        return None
    # A stretched resample may pass 0 though the interval does not; it is an extreme share then.
    wholes = found.replicates[:, 1]
    of_its_sign = wholes * np.sign(found.value[1]) > 0
    shares = found.replicates[of_its_sign, 0] / wholes[of_its_sign]
    low, high = np.quantile(shares, [TAIL, 1 - TAIL])
    value = float(found.value[0] / found.value[1])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))
