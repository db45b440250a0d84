"""Guidance fixed before sampling: the baselines a controller must beat.

Every schedule is a tensor (T,) of guidance scales, one per denoising step, the first for the
noisiest; or (T, N), if images differ. Ramps have the mean they are asked for, so that they compare
with the constant of the same mean: steps are read at their mid-points u = (i + 1/2) / T.

Sources: constant, Ho and Salimans, arXiv 2207.12598; ramps, Wang et al., arXiv 2404.13040; limited
interval, Kynkaanniemi et al., arXiv 2404.07724; exponential, C2FG, arXiv 2603.08155.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def constant(num_steps: int, guidance: float) -> Tensor:
    """Give every step the same guidance; (T,)."""
    return torch.full((_checked(num_steps),), float(guidance))


def linear(num_steps: int, mean: float, *, rising: bool = True, floor: float = 1.0) -> Tensor:
    """Ramp linearly between ``floor`` and 2 mean - floor; (T,), its mean is exact."""
    return floor + (mean - floor) * 2 * _progress(num_steps, rising)


def cosine(num_steps: int, mean: float, *, rising: bool = True, floor: float = 1.0) -> Tensor:
    """Ramp as 1 - cos(pi u) between ``floor`` and 2 mean - floor; (T,), its mean is exact."""
    return floor + (mean - floor) * (1 - torch.cos(math.pi * _progress(num_steps, rising)))


def interval(
    num_steps: int, guidance: float, start: float = 0.2, stop: float = 0.8, outside: float = 1.0
) -> Tensor:
    """Guide only the middle of the trajectory.

    Args:
        num_steps: Steps T.
        guidance: Scale while start <= u < stop.
        start: Fraction of the steps after which guidance begins, in [0, 1].
        stop: Fraction of the steps after which it ends, in [start, 1].
        outside: Scale elsewhere; 1 is plain conditional sampling.

    Returns:
        (T,) guidance scales.

    Raises:
        ValueError: If not 0 <= start <= stop <= 1.
    """
    if not 0 <= start <= stop <= 1:
        raise ValueError(f"the interval is [{start}, {stop}]: need 0 <= start <= stop <= 1")
    progress = _progress(num_steps, rising=True)
    inside = (progress >= start) & (progress < stop)
    return torch.where(inside, float(guidance), float(outside))


def exponential(num_steps: int, clean: float, decay: float) -> Tensor:
    """Rise as clean exp(-decay t) towards the clean picture, t from 1 for noise to 0; (T,)."""
    return clean * torch.exp(-decay * _progress(num_steps, rising=False))


def random_matched(
    num_steps: int, count: int, mean: float, variance: float, seed: int, *, first: int = 0
) -> Tensor:
    """Draw guidance at random, with the mean and variance of a policy but none of its knowledge.

    Args:
        num_steps: Steps T.
        count: Images N.
        mean: Mean guidance of the policy.
        variance: Variance of the policy's guidance over steps and images, >= 0.
        seed: With an episode's number it fixes that episode's guidance, whatever the batch.
        first: Number of the first episode.

    Returns:
        (T, N) normal guidance scales. They are not clipped here; clipping lowers the variance.

    Raises:
        ValueError: If the variance is negative.
    """
    if not variance >= 0:
        raise ValueError(f"variance is {variance}: give a number >= 0")
    shape = (_checked(num_steps),)
    episodes = range(first, first + count)
    noise = np.stack([np.random.default_rng([seed, k]).standard_normal(shape) for k in episodes], 1)
    return torch.from_numpy(mean + math.sqrt(variance) * noise).float()


def baseline_schedules(num_steps: int, mean: float) -> dict[str, Tensor]:
    """Name the open-loop baselines with the given mean guidance; the interval's inside is it."""
    return {
        "constant": constant(num_steps, mean),
        "linear up": linear(num_steps, mean, rising=True),
        "linear down": linear(num_steps, mean, rising=False),
        "cosine up": cosine(num_steps, mean, rising=True),
        "cosine down": cosine(num_steps, mean, rising=False),
        "interval": interval(num_steps, mean),
    }


def _progress(num_steps: int, rising: bool) -> Tensor:
    progress = (torch.arange(_checked(num_steps), dtype=torch.float32) + 0.5) / num_steps
    return progress if rising else progress.flip(0)


def _checked(num_steps: int) -> int:
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}: give at least 1")
    return num_steps
