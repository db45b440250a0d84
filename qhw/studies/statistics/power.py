"""Null results: how large a sample would have seen something."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qhw.studies.finding import Estimate
from qhw.studies.statistics.holm import ALPHA
from qhw.studies.statistics.intervals import shown

LARGEST_SAMPLE = 10_000_000


class Units(NamedTuple):
    """What is replicated: `have` units of this name, and how differences vary among them."""

    sd: float
    have: int
    name: str


def sample_size(
    sd: float,
    difference: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    paired: bool = True,
) -> int:
    """Units needed for a two-sided t-test to see a difference, by the noncentral t distribution.

    Args:
        sd: Standard deviation of the paired differences, or of the values of either arm.
        difference: To be seen, in the same units.
        power: Chance of seeing it.
        alpha: Chance of a false alarm.
        paired: One sample of differences; else two arms of this size each.

    Returns:
        Pairs, or units per arm; at least 2 and at most 10 million.

    Raises:
        ValueError: If `sd` is negative or `difference` is 0.
    """
    if sd < 0 or difference == 0:
        raise ValueError(f"sd {sd} and difference {difference}: need sd >= 0, difference not 0")
    effect = math.inf if sd == 0 else abs(difference) / sd
    low, high = 1, 2
    while high < LARGEST_SAMPLE and _power(high, effect, alpha, paired) < power:
        low, high = high, min(2 * high, LARGEST_SAMPLE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if _power(middle, effect, alpha, paired) >= power else (middle, high)
        )
    return high


def nothing_seen(
    what: str,
    units: Units,
    difference: float,
    *,
    found: Estimate | None = None,
    alpha: float = ALPHA,
    form: str = "{:.2g}",
) -> str:
    """A null result in words.

    Where the interval lies within the smallest difference that would matter, on both sides, it says
    so: equivalence, by two one-sided tests at half of alpha. Else it names the sample that would
    have seen something.

    Args:
        what: Such as `between readout and none`.
        units: There were, and how the paired differences vary among them; see `units_of`.
        difference: The smallest that would matter, above 0.
        found: What was measured, where its interval is known, at this alpha
            (`Bootstrap.estimate_at`).
        alpha: Chance of a false alarm; of k tests after Holm, that of one by k.
        form: Shows the difference.
    """
    size, (sd, have, unit) = form.format(difference), units
    level = "" if alpha == ALPHA else f" ({1 - alpha:.1%}, as Holm asks of the first)"
    if found is not None and -difference < found.low and found.high < difference:
        within = size.rstrip(",")
        told = f"{shown(found, '{:+.2g}')}{level}"
        return f"No difference {what} matters: {told} lies within +-{within}."
    seen = "" if found is None else f" ({shown(found, '{:+.2g}')})"
    needed = sample_size(sd, difference, alpha=alpha)
    if needed <= have:
        return (
            f"No difference is seen {what}{seen}; one of {size} would have been (80 % power takes "
            f"{needed} {unit}, and there were {have})."
        )
    return (
        f"No difference is seen {what}{seen}; to see one of {size} with 80 % power takes {needed} "
        f"{unit} (there were {have})."
    )


def units_of(differences: ArrayLike) -> Units:
    """Training seeds where there are several, else latents.

    Args:
        differences: (S, N) paired.
    """
    rows = np.asarray(differences, dtype=np.float64)
    if len(rows) > 1:
        return Units(float(rows.mean(axis=1).std(ddof=1)), len(rows), "training seeds")
    return Units(float(rows[0].std(ddof=1)), rows.shape[1], "latents")


def _power(count: int, effect: float, alpha: float, paired: bool) -> float:
    """Chance that a two-sided t-test of this many pairs, or units per arm, sees an effect."""
    from scipy.stats import nct, norm, t

    freedom = count - 1 if paired else 2 * count - 2
    shift = effect * math.sqrt(count if paired else count / 2)
    limit = float(t.isf(alpha / 2, freedom))
    # Beyond a shift of 30 the noncentral t is not computed reliably, and the normal is near enough.
    if shift > 30:
        return float(norm.sf(limit - shift))
    # The other tail is below 1e-10 beyond a shift of 5, where scipy may give no number for it.
    other = float(nct.cdf(-limit, freedom, shift)) if shift < 5 else 0.0
    return float(nct.sf(limit, freedom, shift)) + other
