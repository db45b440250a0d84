"""How two ways of guiding differ, paired over the latents they share.

Intervals are percentiles of a bootstrap over latents, in which all arms take the same resamples.
They speak of other latents for the same trained model, not of other training runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion.metrics import Features, FloatArray, GaussianReference

LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate with a percentile interval of its bootstrap.

    Attributes:
        estimate: On the full sample.
        low: Lower end of the interval.
        high: Upper end of the interval.
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


def bootstrap_difference(
    values: Features, others: Features, *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Bootstrap the mean of values - others, (N,) each, row k of both from the same latent."""
    return bootstrap_mean(_column(values) - _column(others), resamples=resamples, seed=seed)


def bootstrap_mean(values: Features, *, resamples: int = 2000, seed: int = 0) -> Interval:
    """Bootstrap the mean of values (N,)."""
    column = _column(values)
    counts = resample_counts(len(column), resamples, seed)
    return _interval(float(column.mean()), counts @ column / len(column))


@dataclass(frozen=True)
class ScoredArm:
    """What one way of guiding made of the common latents, in the space where distances are taken.

    Attributes:
        correct: (N,) 1 where the judge names the wanted class, else 0.
        distance: Frechet distance of the arm's features to the reference.
        effect: (N,) first-order effect of each latent on that distance, times N.
    """

    correct: FloatArray
    distance: float
    effect: FloatArray

    @classmethod
    def of(cls, correct: Features, features: Features, reference: GaussianReference) -> ScoredArm:
        """Measure an arm against the real pictures in the same feature space.

        Args:
            correct: (N,) of any number type.
            features: (N, F) of the arm's pictures.
            reference: The real pictures.

        Raises:
            ValueError: If the two have not one row for each latent.
        """
        column = _column(correct)
        if column.shape != features.shape[:1]:
            raise ValueError(
                f"correct has shape {tuple(column.shape)}, features {tuple(features.shape)}: "
                "give both one row per latent"
            )
        return cls(column, reference.distance(features), reference.influence(features))

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

    def minus(self, other: EqualAccuracyDifference) -> Interval:
        """How much further from the constants than another arm: paired, negative is better.

        The other arm must be of the same latents, constants and resamples.
        """
        estimate = self.difference.estimate - other.difference.estimate
        return _interval(estimate, self.replicates - other.replicates)


def compare_at_equal_accuracy(
    arm: ScoredArm, constants: Sequence[ScoredArm], counts: NDArray[np.int64]
) -> EqualAccuracyDifference:
    """Compare an arm with constant guidance that is judged equally accurate.

    Accuracy and distance trade against each other as guidance grows, so neither compares alone.
    The constants that no other constant beats in both span the frontier, straight between
    neighbours. Each bootstrap resample takes the same latents for all arms.

    Args:
        arm: The arm, of the same latents and in the same order as the constants.
        constants: Constant guidance scales, two at least.
        counts: (B, N) of `resample_counts`.

    Raises:
        ValueError: If there are fewer than two constants or the arms differ in size.
    """
    sizes = [len(scored.correct) for scored in (arm, *constants)]
    if len(constants) < 2 or len(set(sizes)) != 1:
        raise ValueError(f"arms have {sizes} latents: need two constants, all of one size")
    compared = [arm, *_frontier(constants)]
    accuracies = np.array([scored.correct.mean() for scored in compared])
    distances = np.array([scored.distance for scored in compared])
    x = np.stack([counts @ scored.correct for scored in compared], axis=1) / counts.shape[1]
    y = np.stack([scored.resampled(counts) for scored in compared], axis=1)
    constant = _interpolate(accuracies, distances)
    drawn = np.array([row[0] - _interpolate(at, row) for at, row in zip(x, y, strict=True)])
    outside = (x[:, 0] < x[:, 1:].min(axis=1)) | (x[:, 0] > x[:, 1:].max(axis=1))
    return EqualAccuracyDifference(
        difference=_interval(float(distances[0] - constant), drawn),
        accuracy=float(accuracies[0]),
        frechet=float(distances[0]),
        constant_frechet=constant,
        outside=float(outside.mean()),
        replicates=drawn,
    )


def _frontier(constants: Sequence[ScoredArm]) -> list[ScoredArm]:
    """The constants that none beats in accuracy and distance, the most accurate first."""
    best, frontier = np.inf, []
    for constant in sorted(constants, key=lambda c: (-c.correct.mean(), c.distance)):
        if constant.distance < best:
            best = constant.distance
            frontier.append(constant)
    return frontier


def _interpolate(accuracies: FloatArray, distances: FloatArray) -> float:
    """The constants' distance (entries 1 and on) at the arm's accuracy (entry 0)."""
    order = np.argsort(accuracies[1:], kind="stable") + 1
    return float(np.interp(accuracies[0], accuracies[order], distances[order]))


def _interval(estimate: float, replicates: FloatArray) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def _column(values: Features) -> FloatArray:
    array = np.asarray(torch.as_tensor(values).detach().cpu().numpy(), dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"values have shape {array.shape}: need (N,) with N at least 1")
    return array
