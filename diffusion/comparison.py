"""How two ways of guiding differ, paired over the latents they share.

Intervals are percentiles of a bootstrap over latents, in which all arms take the same resamples.
They speak of other latents for the same trained model, not of other training runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion.metrics import Features, FloatArray, GaussianReference, feature_rows

BootstrapMethod = Literal["influence", "resample"]


@dataclass(frozen=True)
class Interval:
    """An estimate with a percentile interval of its bootstrap.

    Attributes:
        estimate: On the full sample.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


def resample_counts(size: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw bootstrap resamples of ``size`` rows as counts (resamples, size); rows sum to size.

    Use the same counts for every arm: then resamples are paired over latents.
    """
    rng = np.random.default_rng(seed)
    picks = rng.integers(size, size=(resamples, size))
    return np.stack([np.bincount(row, minlength=size) for row in picks])


def paired_difference(
    values: Features, others: Features, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Bootstrap the mean of values - others, (N,) each, row k of both from the same latent."""
    difference = _column(values) - _column(others)
    counts = resample_counts(len(difference), resamples, seed)
    return _interval(float(difference.mean()), counts @ difference / len(difference), level)


def bootstrap_mean(
    values: Features, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Bootstrap the mean of values (N,)."""
    return paired_difference(
        values, np.zeros(len(values)), resamples=resamples, seed=seed, level=level
    )


@dataclass(frozen=True)
class Arm:
    """What one way of guiding made of the common latents.

    Attributes:
        correct: (N,) 1 where the judge names the wanted class, else 0.
        features: (N, F) of the pictures, in the space where distances are taken.
    """

    correct: FloatArray
    features: FloatArray

    def __post_init__(self) -> None:
        if self.correct.shape != self.features.shape[:1]:
            raise ValueError(
                f"correct has shape {self.correct.shape}, features {self.features.shape}: "
                "give both one row per latent"
            )

    @classmethod
    def of(cls, correct: Features, features: Features) -> Arm:
        """Convert tensors or arrays of any number type."""
        return cls(_column(correct), feature_rows(features))


@dataclass(frozen=True)
class ScoredArm:
    """An arm whose distance is known: small enough to keep where the features are not.

    Attributes:
        correct: (N,) 1 where the judge names the wanted class, else 0.
        distance: Frechet distance of the arm's features to the reference.
        effect: (N,) first-order effect of each latent on that distance, times N.
    """

    correct: FloatArray
    distance: float
    effect: FloatArray

    @classmethod
    def of(cls, arm: Arm, reference: GaussianReference) -> ScoredArm:
        """Measure an arm against the real pictures in the same feature space."""
        return cls(arm.correct, reference.distance(arm.features), reference.influence(arm.features))

    def resampled(self, counts: NDArray[np.int64]) -> FloatArray:
        """Distances (B,) of resamples to first order, counts (B, N)."""
        replicates: FloatArray = self.distance + counts @ self.effect / len(self.effect)
        return replicates


@dataclass(frozen=True)
class EqualAccuracyDifference:
    """An arm's Frechet distance minus the constants' at the arm's accuracy; negative is better.

    Attributes:
        difference: With its interval, paired over latents.
        accuracy: The arm's, in [0, 1].
        frechet: The arm's.
        constant_frechet: The constants', interpolated at that accuracy.
        outside: Fraction of resamples in which the arm's accuracy is outside the constants' range.
            There the nearest constant is used, which favours the constants: it understates how
            much better an arm is, and may make an arm look worse than it is.
        replicates: (B,) the difference in every resample, to pair with another arm's.
    """

    difference: Interval
    accuracy: float
    frechet: float
    constant_frechet: float
    outside: float
    replicates: FloatArray = field(repr=False, compare=False)

    def minus(self, other: EqualAccuracyDifference, level: float = 0.95) -> Interval:
        """How much further from the constants than another arm: paired, negative is better.

        Args:
            other: Of the same latents, constants and resamples.
            level: Of the percentile interval.
        """
        estimate = self.difference.estimate - other.difference.estimate
        return _interval(estimate, self.replicates - other.replicates, level)


def equal_accuracy_difference(
    arm: Arm,
    constants: Sequence[Arm],
    reference: GaussianReference,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    method: BootstrapMethod = "influence",
) -> EqualAccuracyDifference:
    """Compare an arm with constant guidance that is judged equally accurate.

    Accuracy and distance trade against each other as guidance grows, so neither compares alone.
    The constants that no other constant beats in both span the frontier, straight between
    neighbours. Each bootstrap resample takes the same latents for all arms.

    Args:
        arm: The arm, of the same latents and in the same order as the constants.
        constants: Constant guidance scales, two at least.
        reference: The real pictures in the same feature space.
        resamples: Bootstrap resamples B.
        seed: Of the bootstrap.
        level: Of the percentile interval.
        method: ``influence`` takes each row's first-order effect on the distance, which is fast and
            centred on the estimate; ``resample`` recomputes every distance.

    Raises:
        ValueError: If there are fewer than two constants or the arms differ in size.
    """
    scored = [ScoredArm.of(each, reference) for each in (arm, *constants)]
    counts = resample_counts(len(arm.correct), resamples, seed)
    if method == "influence":
        return compare_at_equal_accuracy(scored[0], scored[1:], counts, level)
    features = [each.features for each in (arm, *constants)]
    _require_one_size(scored)
    return _compare(scored, lambda k: reference.resampled(features[k], counts), counts, level)


def compare_at_equal_accuracy(
    arm: ScoredArm,
    constants: Sequence[ScoredArm],
    counts: NDArray[np.int64],
    level: float = 0.95,
) -> EqualAccuracyDifference:
    """As `equal_accuracy_difference`, of arms that are scored already.

    Args:
        arm: The arm.
        constants: Two at least, of the same latents in the same order.
        counts: (B, N) of `resample_counts`.
        level: Of the percentile interval.

    Raises:
        ValueError: If there are fewer than two constants or the arms differ in size.
    """
    scored = [arm, *constants]
    _require_one_size(scored)
    return _compare(scored, lambda k: scored[k].resampled(counts), counts, level)


def _compare(
    scored: Sequence[ScoredArm],
    replicates: Callable[[int], FloatArray],
    counts: NDArray[np.int64],
    level: float,
) -> EqualAccuracyDifference:
    """Compare arm 0 with the frontier of the others; `replicates(k)` are arm k's distances (B,)."""
    accuracies = np.array([each.correct.mean() for each in scored])
    distances = np.array([each.distance for each in scored])
    kept = [0, *_frontier(accuracies[1:], distances[1:])]
    x = np.stack([counts @ scored[k].correct for k in kept], axis=1) / counts.shape[1]
    y = np.stack([replicates(k) for k in kept], axis=1)
    constant = _interpolate(accuracies[kept], distances[kept])
    drawn = np.array([row[0] - _interpolate(at, row) for at, row in zip(x, y, strict=True)])
    outside = (x[:, 0] < x[:, 1:].min(axis=1)) | (x[:, 0] > x[:, 1:].max(axis=1))
    return EqualAccuracyDifference(
        difference=_interval(float(distances[0] - constant), drawn, level),
        accuracy=float(accuracies[0]),
        frechet=float(distances[0]),
        constant_frechet=constant,
        outside=float(outside.mean()),
        replicates=drawn,
    )


def _require_one_size(scored: Sequence[ScoredArm]) -> None:
    sizes = [len(each.correct) for each in scored]
    if len(scored) < 3 or len(set(sizes)) != 1:
        raise ValueError(f"arms have {sizes} latents: need two constants, all of one size")


def _frontier(accuracies: FloatArray, distances: FloatArray) -> list[int]:
    """Positions, counted from 1, of the constants that none beats in accuracy and distance."""
    order = np.lexsort((distances, -accuracies))
    best, kept = np.inf, []
    for k in order:
        if distances[k] < best:
            best = distances[k]
            kept.append(int(k) + 1)
    return kept


def _interpolate(accuracies: FloatArray, distances: FloatArray) -> float:
    """The constants' distance (entries 1 and on) at the arm's accuracy (entry 0)."""
    order = np.argsort(accuracies[1:], kind="stable") + 1
    return float(np.interp(accuracies[0], accuracies[order], distances[order]))


def _interval(estimate: float, replicates: FloatArray, level: float) -> Interval:
    tail = (1 - level) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def _column(values: Features) -> FloatArray:
    array = np.asarray(torch.as_tensor(values).detach().cpu().numpy(), dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"values have shape {array.shape}: need (N,) with N at least 1")
    return array
