"""How two ways of guiding differ, paired over the latents they share.

Intervals are percentiles of a bootstrap over latents, in which all arms take the same resamples.
They speak of other latents for the same trained model, not of other training runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from diffusion.metrics import Features, FloatArray, GaussianReference

LEVEL = 0.95
"""Of every interval."""
_BETWEEN = 50
"""Points of a curve from one constant to the next."""


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

    def is_beyond(self, resolution: float) -> bool:
        """Whether this may be called a difference: larger than `resolution`, and clear of 0."""
        clear = self.low > 0 or self.high < 0
        return clear and abs(self.estimate) > resolution


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
        log_probability: (N,) the judge's log p of the wanted class, nats.
        distance: Frechet distance of the arm's features to the reference.
        effect: (N,) first-order effect of each latent on that distance, times N.
    """

    correct: FloatArray
    log_probability: FloatArray
    distance: float
    effect: FloatArray

    @classmethod
    def of(
        cls,
        correct: Features,
        log_probability: Features,
        features: Features,
        reference: GaussianReference,
    ) -> ScoredArm:
        """Measure an arm against the real pictures in the same feature space.

        Args:
            correct: (N,) of any number type.
            log_probability: (N,) nats.
            features: (N, F) of the arm's pictures.
            reference: The real pictures.

        Raises:
            ValueError: If they have not one row for each latent.
        """
        columns = _column(correct), _column(log_probability)
        if any(column.shape != features.shape[:1] for column in columns):
            raise ValueError(
                f"correct has shape {tuple(columns[0].shape)}, log_probability "
                f"{tuple(columns[1].shape)}, features {tuple(features.shape)}: "
                "give each one row per latent"
            )
        return cls(*columns, reference.distance(features), reference.influence(features))

    def with_resamples(self, counts: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Mean log p and distance (1 + B,) each, of the sample and of resamples, counts (B, N)."""
        means = counts @ self.log_probability / counts.shape[1]
        return (
            np.concatenate([[self.log_probability.mean()], means]),
            np.concatenate([[self.distance], self.resampled(counts)]),
        )

    def resampled(self, counts: NDArray[np.int64]) -> FloatArray:
        """Distances (B,) of resamples to first order, counts (B, N)."""
        replicates: FloatArray = self.distance + counts @ self.effect / len(self.effect)
        return replicates


@dataclass(frozen=True)
class EqualLogP:
    """An arm's Frechet distance minus the constants' at the arm's log p; negative is better.

    Attributes:
        difference: With its interval, paired over latents.
        frechet: The arm's.
        constant_frechet: The least that a constant reaches with the arm's log p.
        outside: Fraction of resamples in which no constant reaches the arm's log p. There the
            constant of the highest log p is used, which favours the constants.
        replicates: (B,) the difference in every resample, to pair with another arm's.
    """

    difference: Interval
    frechet: float
    constant_frechet: float
    outside: float
    replicates: FloatArray = field(repr=False, compare=False)

    def minus(self, other: EqualLogP) -> Interval:
        """How much further from the constants than another arm: paired, negative is better.

        The other arm must be of the same latents, constants and resamples.
        """
        estimate = self.difference.estimate - other.difference.estimate
        return _interval(estimate, self.replicates - other.replicates)


@dataclass(frozen=True)
class ConstantCurve:
    """Mean log p and Frechet distance of constant guidance, between the constants played too.

    Both trade against each other as guidance grows, so neither compares alone. Each is taken as a
    smooth function of the guidance, through the constants that were played: a monotone cubic
    between neighbours (Fritsch and Carlson, SIAM J. Numer. Anal. 17 (1980) 238). A straight line
    between two constants would lie above the curve, and call every constant between them better
    than constants. Log p is what is held equal, since it scatters less than the accuracy, which
    counts a few pictures; `benchmarks/equal_accuracy.py` measures both.

    Attributes:
        log_probability: (M, 1 + B) mean log p of M constants, of the sample and of B resamples.
        distance: (M, 1 + B) their Frechet distances.
        counts: (B, N) the resamples.
    """

    log_probability: FloatArray
    distance: FloatArray
    counts: NDArray[np.int64]

    @classmethod
    def through(
        cls, constants: Mapping[float, ScoredArm], counts: NDArray[np.int64]
    ) -> ConstantCurve:
        """Draw the curve.

        Args:
            constants: Arms by their guidance, two at least, of the same latents.
            counts: (B, N) of `resample_counts`.

        Raises:
            ValueError: If there are fewer than two constants or the arms differ in size.
        """
        sizes = [len(arm.correct) for arm in constants.values()]
        if len(constants) < 2 or set(sizes) != {counts.shape[1]}:
            raise ValueError(
                f"constants have {sizes} latents, the resamples {counts.shape[1]}: need two "
                "constants, all of that size"
            )
        guidance = np.array(sorted(constants))
        between = _refined(guidance)
        played = [constants[g].with_resamples(counts) for g in guidance]
        log_probability, distance = (
            PchipInterpolator(guidance, np.stack(column))(between)
            for column in zip(*played, strict=True)
        )
        return cls(log_probability, distance, counts)

    def beside(self, arm: ScoredArm) -> EqualLogP:
        """Compare an arm with the constants that reach its log p at the least distance.

        Every bootstrap resample takes the same latents for the arm and for all constants.

        Args:
            arm: Of the same latents and in the same order as the constants.

        Raises:
            ValueError: If it has another number of latents.
        """
        if len(arm.correct) != self.counts.shape[1]:
            raise ValueError(
                f"the arm has {len(arm.correct)} latents, the constants {self.counts.shape[1]}: "
                "play it on the same"
            )
        log_probability, distance = arm.with_resamples(self.counts)
        highest = self.log_probability.max(axis=0)
        reached = self.log_probability >= np.minimum(log_probability, highest)
        constant = np.where(reached, self.distance, np.inf).min(axis=0)
        difference = distance - constant
        return EqualLogP(
            difference=_interval(float(difference[0]), difference[1:]),
            frechet=float(distance[0]),
            constant_frechet=float(constant[0]),
            outside=float((log_probability > highest)[1:].mean()),
            replicates=difference[1:],
        )


def resolution(placebos: Sequence[Interval]) -> float:
    """What the method cannot tell from 0, given what it reads for constants that it did not use.

    They are no better and no worse than constants, so the farthest end of their intervals is what
    it may be off by.
    """
    return max(max(abs(placebo.low), abs(placebo.high)) for placebo in placebos)


def _refined(guidance: FloatArray) -> FloatArray:
    """Every value, and evenly spaced ones between neighbours."""
    parts = [np.linspace(low, high, _BETWEEN, endpoint=False) for low, high in pairwise(guidance)]
    return np.concatenate([*parts, guidance[-1:]])


def _interval(estimate: float, replicates: FloatArray) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def _column(values: Features) -> FloatArray:
    array = np.asarray(torch.as_tensor(values).detach().cpu().numpy(), dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"values have shape {array.shape}: need (N,) with N at least 1")
    return array
