"""Intervals, tests and sample sizes, with trained controllers as the unit of replication.

A claim about a kind of controller rests on training seeds; episodes only say how well one trained
controller is known. All arms share their latents, so differences are paired by episode first, and
seeds and latents are then resampled independently of each other, each latent for all seeds at once
(the pigeonhole bootstrap, Owen, arXiv 0712.1111).

A bootstrap over a handful of seeds is too narrow (Hesterberg, arXiv 1411.5279, section 3.2). So its
replicates are stretched about the estimate until their spread is that of Student's t on the
variances of seed means and latent means, with Satterthwaite's degrees of freedom. Measured coverage
of the 95 % intervals: 95 % with one seed (of other latents) and from ten seeds on, 93 % to 95 %
with five, 93 % with three and 88 % with two where seeds and latents matter alike; 99 % where
neither does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.comparison import resample_counts
from qhw.studies.finding import Estimate

FloatArray = NDArray[np.float64]

BOOTSTRAP_SEED = 1_905
RESAMPLES = 2000
LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
LARGEST_SAMPLE = 10_000_000
ADVISED_SEEDS = 5


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Means with their intervals, of one condition or of many that share their resamples.

    Attributes:
        value: (...) means over seeds and episodes.
        low: (...) lower ends of the 95 % intervals.
        high: (...) upper ends.
        p_value: (...) two-sided, that the mean is 0.
        replicates: (B, ...) stretched resamples; their percentiles are the ends.
        seeds: Training seeds.
        episodes: Of every seed.
        seed: Of the bootstrap, to be kept with the numbers.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    replicates: FloatArray
    seeds: int
    episodes: int
    seed: int

    @property
    def over_seeds(self) -> bool:
        """Whether the intervals speak of other training runs, not of other latents alone."""
        return self.seeds > 1

    @property
    def flag(self) -> str:
        """What the intervals are over, as a note says it."""
        if not self.over_seeds:
            return (
                f"Intervals: 95 %, over {self.episodes} latents of one training seed only; they do "
                "not speak of other training runs."
            )
        latents = f" and {self.episodes} latents" if self.episodes > 1 else ""
        return f"Intervals: 95 %, over {self.seeds} training seeds{latents}."

    @property
    def facts(self) -> dict[str, str | int | float]:
        """For a finding's provenance."""
        return {
            "bootstrap seed": self.seed,
            "bootstrap resamples": len(self.replicates),
            "training seeds": self.seeds,
            "latents per seed": self.episodes,
        }

    def estimate(self, *index: int) -> Estimate:
        """One condition's mean and interval; without an index, the only one's."""
        value, low, high = (array[index] for array in (self.value, self.low, self.high))
        return Estimate(value=float(value), low=float(low), high=float(high))


def hierarchical_bootstrap(
    values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = BOOTSTRAP_SEED
) -> Bootstrap:
    """Bootstrap means over training seeds and episodes.

    With one seed the interval is over episodes alone, and `Bootstrap.flag` says so; with one
    episode, such as one distance per seed, it is over seeds alone.

    Args:
        values: (..., S, N) one row per seed, column k of all rows from the same latent.
        resamples: B.
        seed: Of the bootstrap; the same one pairs the resamples of calls of equal S and N.

    Raises:
        ValueError: If there are not two numbers to resample, or one is not finite.
    """
    array = _numbers(values)
    seeds, episodes = array.shape[-2:]
    of_seeds = resample_counts(seeds, resamples, seed) / seeds
    of_episodes = resample_counts(episodes, resamples, seed + 1) / episodes
    raw = np.einsum("bs,...sb->b...", of_seeds, array @ of_episodes.T)
    value = array.mean(axis=(-2, -1))
    error, freedom = _standard_error(array)
    replicates = value + (raw - value) * _stretch(raw, error, freedom)
    low, high = np.quantile(replicates, [TAIL, 1 - TAIL], axis=0)
    p_value = _two_sided(value, error, freedom)
    return Bootstrap(value, low, high, p_value, replicates, seeds, episodes, seed)


def paired_difference(
    values: ArrayLike,
    others: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Bootstrap:
    """Bootstrap the mean of values - others, (..., S, N) each, paired by seed and episode."""
    one, other = _numbers(values), _numbers(others)
    if one.shape != other.shape:
        raise ValueError(f"values have shape {one.shape}, others {other.shape}: pairs need one")
    return hierarchical_bootstrap(one - other, resamples=resamples, seed=seed)


def transformed(estimate: Estimate, rising: Callable[[float], float], floor: float) -> Estimate:
    """An interval on another scale, such as the root of a mean square.

    Args:
        estimate: On the present scale.
        rising: Turns numbers from `floor` on into the new scale, order kept.
        floor: Ends below it are raised to it.
    """
    ends = (rising(max(end, floor)) for end in (estimate.value, estimate.low, estimate.high))
    value, low, high = ends
    return Estimate(value=value, low=low, high=high)


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


def nothing_seen(what: str, sd: float, difference: float, have: int, unit: str) -> str:
    """A null result in words, with the sample that would have seen something.

    Args:
        what: Such as `between readout and none`.
        sd: Of the paired differences, per unit; see `units_of`.
        difference: The smallest that would matter.
        have: Units there were.
        unit: Such as `latents` or `training seeds`.
    """
    needed = sample_size(sd, difference)
    told = f"No difference is seen {what}; "
    if needed <= have:
        return told + (
            f"one of {difference:.3g} would have been (80 % power takes {needed} {unit}, and there "
            f"were {have})."
        )
    return told + (
        f"to see one of {difference:.3g} with 80 % power takes {needed} {unit} (there were {have})."
    )


class Units(NamedTuple):
    """What is replicated: `have` units of this name, and how differences vary among them."""

    sd: float
    have: int
    name: str


def units_of(differences: ArrayLike) -> Units:
    """Training seeds where there are several, else latents.

    Args:
        differences: (S, N) paired.
    """
    rows = _numbers(differences)
    if len(rows) > 1:
        return Units(float(rows.mean(axis=1).std(ddof=1)), len(rows), "training seeds")
    return Units(float(rows[0].std(ddof=1)), rows.shape[1], "latents")


@dataclass(frozen=True)
class Crossing:
    """Where a falling curve goes below a level.

    Attributes:
        at: With its interval, cut to the measured range; None where the curve never does.
        earliest: Lower end of the interval, even where `at` is None; the last x if none of the
            resamples goes below.
        open_low: The interval reaches beyond the first x.
        open_high: The interval reaches beyond the last x.
        share: Of the resamples that are below the level at the last x.
    """

    at: Estimate | None
    earliest: float
    open_low: bool
    open_high: bool
    share: float

    def words(self, form: str = "{:.3g}") -> str:
        """What can be said of the place, such as `at 2.1 [1.8, 2.6]`."""
        if self.at is None:
            return f"not before {form.format(self.earliest)} (95 %)"
        low = "below " * self.open_low + form.format(self.at.low)
        high = "beyond " * self.open_high + form.format(self.at.high)
        return f"at {form.format(self.at.value)} [{low}, {high}]"


def crossing(
    x: ArrayLike, y_samples: ArrayLike, level: float, *, y: ArrayLike | None = None
) -> Crossing:
    """Find the break point of a falling curve, straight between neighbours.

    Each curve is made non-increasing first (isotonic regression), so that noise about a level part
    does not count as a break.

    Args:
        x: (X,) rising.
        y_samples: (B, X) bootstrap replicates of the curve.
        level: In the units of y.
        y: (X,) the curve itself; the replicates' median by default.

    Raises:
        ValueError: If x does not rise, or shapes do not fit.
    """
    places, samples = _numbers(x, 1), _numbers(y_samples, 2)
    curve = np.median(samples, axis=0) if y is None else _numbers(y, 1)
    if samples.shape[1:] != places.shape or curve.shape != places.shape:
        raise ValueError(f"x has shape {places.shape}, y {curve.shape}, samples {samples.shape}")
    if (np.diff(places) <= 0).any():
        raise ValueError(f"x is {places}: it must rise")
    drawn = np.array([_first_below(places, row, level) for row in samples])
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL], method="nearest")
    found = _first_below(places, curve, level)
    ends = np.clip([found, low, high], places[0], places[-1])
    value, cut_low, cut_high = (float(end) for end in ends)
    at = Estimate(value=value, low=min(cut_low, value), high=max(cut_high, value))
    return Crossing(
        at=None if found > places[-1] else at,
        earliest=cut_low,
        open_low=bool(low < places[0]),
        open_high=bool(high > places[-1]),
        share=float((drawn <= places[-1]).mean()),
    )


def slope(x: ArrayLike, y: ArrayLike, y_samples: ArrayLike | None = None) -> Estimate:
    """Least-squares slope with its 95 % interval.

    With replicates of the points the interval is what their own errors leave open; without, it is
    Student's on the scatter about the line, which counts a bend as error, too.

    Args:
        x: (X,) not all equal.
        y: (X,).
        y_samples: (B, X) bootstrap replicates of y.

    Raises:
        ValueError: If there are too few points, or x does not vary.
    """
    places, heights = _numbers(x, 1), _numbers(y, 1)
    away = places - places.mean()
    if len(places) < (3 if y_samples is None else 2) or not away.any():
        raise ValueError(f"x is {places}: too few different points for a slope")
    weights = away / (away @ away)
    found = float(weights @ heights)
    if y_samples is not None:
        low, high = np.quantile(_numbers(y_samples, 2) @ weights, [TAIL, 1 - TAIL])
        return Estimate(value=found, low=min(float(low), found), high=max(float(high), found))
    residuals = heights - heights.mean() - found * away
    error = math.sqrt(float(residuals @ residuals) / (len(places) - 2) / float(away @ away))
    reach = _t_quantile(np.array(len(places) - 2.0)) * error
    return Estimate(value=found, low=found - float(reach), high=found + float(reach))


class Said(NamedTuple):
    """A finding's answer, or the reason why there is none; exactly one is None."""

    answer: str | None
    refusal: str | None


def claim(sentence: str, seeds: int, about: str = "this kind of controller") -> Said:
    """Say a sentence about a kind of controller, if there is more than one training seed.

    Args:
        sentence: Computed from the numbers.
        seeds: Training seeds they rest on.
        about: What the sentence generalises to.
    """
    if seeds > 1:
        return Said(sentence, None)
    return Said(None, refusal(about))


def refusal(about: str) -> str:
    """Why one training seed allows no claim."""
    return (
        f"There is one training seed: the numbers are those of one trained controller, and no "
        f"claim about {about} is made. Train {ADVISED_SEEDS} seeds or more (`qhw train --seed N`) "
        "and give all of them."
    )


def shown(estimate: Estimate, form: str = "{:.3g}") -> str:
    """An estimate in a sentence, such as `0.12 [0.1, 0.14]`."""
    value, low, high = (form.format(part) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def excludes(estimate: Estimate, value: float = 0.0) -> bool:
    """Whether the 95 % interval lies on one side of a value."""
    return estimate.low > value or estimate.high < value


def _numbers(values: ArrayLike, dimensions: int | None = None) -> FloatArray:
    """Finite numbers; (..., S, N) with two of them at least unless `dimensions` says otherwise."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a number is not finite: intervals need whole data")
    if dimensions is not None and array.ndim != dimensions:
        raise ValueError(f"an array of shape {array.shape}: need {dimensions} dimensions")
    if dimensions is None and (array.ndim < 2 or math.prod(array.shape[-2:]) < 2):
        raise ValueError(f"values of shape {array.shape}: need (..., seeds, episodes), two or more")
    return array


def _standard_error(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standard error (...) of the mean of (..., S, N), and its degrees of freedom (...)."""
    seeds, episodes = values.shape[-2:]
    of_seeds = _variance_of_mean(values.mean(axis=-1))
    of_episodes = _variance_of_mean(values.mean(axis=-2))
    total = of_seeds + of_episodes
    parts = of_seeds**2 / max(seeds - 1, 1) + of_episodes**2 / max(episodes - 1, 1)
    freedom = np.divide(total**2, parts, out=np.ones_like(total), where=parts > 0)
    return np.sqrt(total), freedom


def _variance_of_mean(means: FloatArray) -> FloatArray:
    """Variance of the mean over the last axis; 0 where there is one entry."""
    count = means.shape[-1]
    if count == 1:
        return np.zeros(means.shape[:-1])
    variance: FloatArray = means.var(axis=-1, ddof=1) / count
    return variance


def _stretch(raw: FloatArray, error: FloatArray, freedom: FloatArray) -> FloatArray:
    """Factor (...) from the resamples' own width to that of Student's t."""
    wanted = _t_quantile(freedom) * error
    own = _t_quantile(np.full_like(freedom, np.inf)) * raw.std(axis=0)
    factor: FloatArray = np.divide(wanted, own, out=np.ones_like(wanted), where=own > 0)
    return factor


def _t_quantile(freedom: FloatArray) -> FloatArray:
    from scipy.stats import t

    return np.asarray(t.isf(TAIL, freedom), dtype=np.float64)


def _two_sided(value: FloatArray, error: FloatArray, freedom: FloatArray) -> FloatArray:
    """p-value of a mean of 0; certain where there is no spread at all."""
    from scipy.stats import t

    certain = np.where(value == 0, 0.0, np.inf)
    ratio = np.divide(np.abs(value), error, out=certain, where=error > 0)
    return np.asarray(2 * t.sf(ratio, freedom), dtype=np.float64)


def _power(count: int, effect: float, alpha: float, paired: bool) -> float:
    """Chance that a two-sided t-test of this many pairs, or units per arm, sees an effect."""
    from scipy.stats import nct, norm, t

    freedom = count - 1 if paired else 2 * count - 2
    shift = effect * math.sqrt(count if paired else count / 2)
    limit = float(t.isf(alpha / 2, freedom))
    # Beyond a shift of 30 the noncentral t is not computed reliably, and the normal is near enough.
    if shift > 30:
        return float(norm.sf(limit - shift))
    return float(nct.sf(limit, freedom, shift) + nct.cdf(-limit, freedom, shift))


def _first_below(x: FloatArray, y: Sequence[float] | FloatArray, level: float) -> float:
    """Where the falling fit to y goes below the level; -inf if it starts there, inf if never."""
    from scipy.optimize import isotonic_regression

    falling = isotonic_regression(y, increasing=False).x
    below = np.flatnonzero(falling < level)
    if not below.size:
        return math.inf
    after = int(below[0])
    if after == 0:
        return -math.inf
    before = after - 1
    share = float((falling[before] - level) / (falling[before] - falling[after]))
    return float(x[before] + share * (x[after] - x[before]))
