"""What shot noise on <Z> does to the policy: how far mu trembles, and with it PPO's ratio.

The head is smooth, so the standard error of mu follows by the delta method,
Var mu = sum_i (d mu / d Z_i)^2 Var Z_i. The ratio's spread at unchanged weights is drawn: the same
states measured once more, each time with errors of this size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from policy.actors import RingActor
from policy.rollout import Rollout

TOLERABLE = 0.3
"""Noise on mu, in units of sigma, from which on exploration is mostly measurement noise."""
REMEASURE_SEED = 2_718


@dataclass(frozen=True)
class ShotNoise:
    """How measurement noise compares with exploration.

    Attributes:
        mu_noise: Root mean square over the rollout of (standard error of mu) / sigma.
        ratio_spread: Standard deviation of the probability ratio when the rollout's states are
            measured again at unchanged weights.
    """

    mu_noise: float
    ratio_spread: float

    def shots_needed(self, shots: int) -> int:
        """Shots per circuit that bring `mu_noise` down to `TOLERABLE`; never fewer than now."""
        return max(shots, math.ceil(shots * (self.mu_noise / TOLERABLE) ** 2))


def shot_noise(actor: RingActor, rollout: Rollout) -> ShotNoise | None:
    """Measure it on a rollout; None where the features are exact or were not kept.

    Call it before the update: the head must be the one that drew the actions.
    """
    if rollout.features is None or rollout.feature_errors is None:
        return None
    features, errors = rollout.features.flatten(0, 1), rollout.feature_errors.flatten(0, 1)
    if not bool(errors.any()):
        return None
    inputs = features.detach().requires_grad_()
    distribution = actor.distribution_of(inputs)
    (slopes,) = torch.autograd.grad(distribution.mean.sum(), inputs)
    mu_errors = (slopes * errors).square().sum(dim=1).sqrt()
    generator = torch.Generator().manual_seed(REMEASURE_SEED)
    # Both measurements miss the true value, each with these errors: their difference has twice the
    # variance.
    moved = features + math.sqrt(2) * errors * torch.randn(errors.shape, generator=generator)
    with torch.no_grad():
        again = actor.distribution_of(moved).log_prob(rollout.actions.flatten())
    ratio = (again - rollout.log_probs.flatten()).exp()
    relative = (mu_errors / distribution.scale.detach()).square().mean().sqrt()
    return ShotNoise(float(relative), float(ratio.std(correction=0)))
