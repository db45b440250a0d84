"""Two policies on the same latents: how their returns, guidance and pictures differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffusion.comparison import (
    Interval,
    ScoredArm,
    bootstrap_difference,
    bootstrap_mean,
    compare_at_equal_accuracy,
)
from diffusion.lpips_distance import LpipsDistance
from diffusion.metrics import psnr, ssim
from qhw.evaluation.eyes import EYES
from qhw.evaluation.judges import Outcome

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
class EqualAccuracy:
    """A policy's Frechet distance minus the constants' of the same accuracy, in one eye.

    Attributes:
        eye: Its title.
        first: Policy A's.
        second: Policy B's.
        difference: B minus A, paired over latents.
        outside: Largest share of resamples in which a policy's accuracy is beyond the constants'.
    """

    eye: str
    first: Interval
    second: Interval
    difference: Interval
    outside: float


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
        pairs.append((f"{title} log p", a.log_probability, b.log_probability))
    resamples = len(counts)
    means = [
        Metric(name, a.mean(), b.mean(), bootstrap_difference(b, a, resamples=resamples))
        for name, a, b in pairs
    ]
    distances = [
        _frechet(first.scores[eye].arm, second.scores[eye].arm, eye, counts) for eye in EYES
    ]
    return means + distances


def equal_accuracy(
    first: Outcome, second: Outcome, constants: list[Outcome], counts: NDArray[np.int64]
) -> list[EqualAccuracy]:
    """Both policies beside constant guidance of their own accuracy, in every eye."""
    rows = []
    for eye in EYES:
        grid = [constant.scores[eye].arm for constant in constants]
        a, b = (
            compare_at_equal_accuracy(arm.scores[eye].arm, grid, counts) for arm in (first, second)
        )
        distances = a.difference, b.difference, b.minus(a)
        rows.append(EqualAccuracy(EYES[eye].title, *distances, max(a.outside, b.outside)))
    return rows


def alikeness(images: Tensor, others: Tensor, resamples: int) -> dict[str, Interval]:
    """How alike both policies' pictures of the same latent are; PSNR only if none are equal."""
    return {
        name: bootstrap_mean(values, resamples=resamples)
        for name, values in likeness(images, others).items()
        if values.isfinite().all()
    }


def likeness(images: Tensor, others: Tensor) -> dict[str, Tensor]:
    """How alike two sets of pictures (N, c, h, w) in [0, 1] are: (N,) of each measure."""
    return {
        "PSNR (dB)": psnr(images, others),
        "SSIM": ssim(images, others),
        "LPIPS": LpipsDistance()(images, others),
    }


def _frechet(first: ScoredArm, second: ScoredArm, eye: str, counts: NDArray[np.int64]) -> Metric:
    drawn = second.resampled(counts) - first.resampled(counts)
    low, high = np.quantile(drawn, [0.025, 0.975])
    difference = Interval(second.distance - first.distance, float(low), float(high))
    return Metric(f"{EYES[eye].title} Frechet", first.distance, second.distance, difference)
