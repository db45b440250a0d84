"""Two policies on the same latents: how their returns, guidance and pictures differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffusion.comparison import (
    Interval,
    ScoredArm,
    bootstrap_difference,
    bootstrap_mean,
)
from qhw.evaluation.beside_constants import BesideConstants
from qhw.evaluation.eyes import ALL_EYES, EYES
from qhw.evaluation.judges import Outcome
from qhw.evaluation.likeness import likeness

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One number of both policies.

    Attributes:
        name: Such as `judge 1 log p`.
        first: Policy A's.
        second: Policy B's.
        difference: B minus A with its 95 % interval, paired over latents.
    """

    name: str
    first: float
    second: float
    difference: Interval


@dataclass(frozen=True)
class AtEqualLogP:
    """A policy's Frechet distance minus the constants' of the same log p, in one eye.

    Attributes:
        eye: Its title.
        first: Policy A's.
        second: Policy B's.
        difference: B minus A, paired over latents.
        outside: Largest share of resamples in which no constant reaches a policy's log p.
        resolution: Size up to which a distance from the constants is no difference.
    """

    eye: str
    first: Interval
    second: Interval
    difference: Interval
    outside: float
    resolution: float


def metrics(
    first: Outcome, second: Outcome, counts: NDArray[np.int64], *, returns: bool
) -> list[Metric]:
    """All that is measured of both.

    Args:
        first: Policy A.
        second: Policy B, on the same latents in the same order.
        counts: (B, N) of `diffusion.comparison.resample_counts`.
        returns: Compare the returns; only if both were rewarded alike.
    """
    pairs = [("mean guidance", first.guidance, second.guidance)]
    if returns:
        pairs.insert(0, ("return", first.returns, second.returns))
    for eye in EYES:
        a, b, title = first.scores[eye], second.scores[eye], EYES[eye].title
        pairs.append((f"{title} accuracy", a.arm.correct, b.arm.correct))
        pairs.append((f"{title} log p", a.arm.log_probability, b.arm.log_probability))
    resamples = len(counts)
    means = [
        Metric(name, a.mean(), b.mean(), bootstrap_difference(b, a, resamples=resamples))
        for name, a, b in pairs
    ]
    distances = [
        _frechet(first.scores[eye].arm, second.scores[eye].arm, eye, counts) for eye in ALL_EYES
    ]
    return means + distances


def at_equal_log_p(
    first: Outcome, second: Outcome, constants: Mapping[str, BesideConstants]
) -> list[AtEqualLogP]:
    """Both policies beside constant guidance of their own log p, in every eye."""
    rows = []
    for eye, each in constants.items():
        a, b = each.compare(first), each.compare(second)
        distances, outside = (a.difference, b.difference, b.minus(a)), max(a.outside, b.outside)
        rows.append(AtEqualLogP(ALL_EYES[eye].title, *distances, outside, each.resolution))
    return rows


def alikeness(images: Tensor, others: Tensor, resamples: int) -> dict[str, Interval]:
    """How alike both policies' pictures of the same latent are; PSNR only if none are equal."""
    return {
        name: bootstrap_mean(values, resamples=resamples)
        for name, values in likeness(images, others).items()
        if values.isfinite().all()
    }


def _frechet(first: ScoredArm, second: ScoredArm, eye: str, counts: NDArray[np.int64]) -> Metric:
    drawn = second.resampled(counts) - first.resampled(counts)
    low, high = np.quantile(drawn, [0.025, 0.975])
    difference = Interval(second.distance - first.distance, float(low), float(high))
    return Metric(f"{ALL_EYES[eye].title} Frechet", first.distance, second.distance, difference)
