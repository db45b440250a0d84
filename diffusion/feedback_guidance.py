"""Feedback guidance (FBG, arXiv 2506.06085): guidance from how well the label explains the path.

After every step from noise level t to t', with x over its signal amplitude:

    L += -tau / (2 s2) (|x' - mu_c|^2 - |x' - mu_u|^2) + delta,    L clipped to [L_min, 3]
    mu = (t' / t)^2 x + (1 - (t' / t)^2) D,    s2 = (t^2 - t'^2) t'^2 / t^2
    g = e^L / (e^L - (1 - pi))

L estimates log p(label | path). delta = log(1.5 (1 - pi)) / ((1 - t0) T) is negative: without the
feedback L falls so far that g is 3 at time t0. tau = |2 s2(t1) delta / 10| sets at which time t1
the feedback weighs. Times run from 1, noise, to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion.environment import GuidanceEnvironment, Moment
from diffusion.episodes import Act, Episode, play
from diffusion.sampler import GuidedSampler

HIGHEST_LOG_POSTERIOR = 3.0


@dataclass(frozen=True)
class FeedbackGuidance:
    """FBG's three numbers, and the largest guidance it may give.

    Attributes:
        purity: pi, the share of the conditional model, in (1/3, 1).
        start: t0, in [0, 1).
        focus: t1, in [0, 1].
        most: Largest guidance, above 1.
    """

    purity: float
    start: float
    focus: float
    most: float = 12.0

    def guidance(self, log_posterior: Tensor) -> Tensor:
        """Guidance g (N,) of L (N,)."""
        share = log_posterior.exp()
        return share / (share - (1 - self.purity))

    def drift(self, num_steps: int) -> float:
        """delta, what L falls by in one of T steps; negative."""
        return math.log(1.5 * (1 - self.purity)) / ((1 - self.start) * num_steps)

    def temperature(self, sampler: GuidedSampler) -> float:
        """The weight tau for a sampler's levels."""
        steps = sampler.num_steps
        step = min(max(round((1 - self.focus) * steps), 0), steps - 2)
        return abs(2 * variance(sampler, step) * self.drift(steps) / 10)

    def updated(self, log_posterior: Tensor, sampler: GuidedSampler, *path: Moment) -> Tensor:
        """L (N,) after the step between two moments of an episode.

        Args:
            log_posterior: L (N,) before the step.
            sampler: Knows the levels.
            path: The moments before and after it.
        """
        before, after = path
        level, noise = sampler.level(before.step), before.prediction
        there = after.latents / sampler.level(after.step).alpha
        kept = (noise_to_signal(sampler, after.step) / noise_to_signal(sampler, before.step)) ** 2
        misses = []
        for prediction in (noise.eps_cond, noise.eps_uncond):
            clean = sampler.predicted_clean(before.latents, before.step, prediction)
            mean = kept * before.latents / level.alpha + (1 - kept) * clean
            misses.append((there - mean).square().sum(dim=(1, 2, 3)))
        weight = self.temperature(sampler) / (2 * variance(sampler, before.step))
        moved = log_posterior - weight * (misses[0] - misses[1]) + self.drift(sampler.num_steps)
        lowest = math.log((1 - self.purity) * self.most / (self.most - 1))
        return moved.clamp(lowest, HIGHEST_LOG_POSTERIOR)

    def play(self, environment: GuidanceEnvironment, latents: Tensor, labels: Tensor) -> Episode:
        """Play whole episodes, in an environment that is `widened`."""
        return play(environment, latents, labels, self._act(environment))

    def _act(self, environment: GuidanceEnvironment) -> Act:
        log_posterior = torch.empty(0)
        path: list[Moment] = []

        def act(step: int, state: Tensor) -> Tensor:
            nonlocal log_posterior
            path[:] = [*path[-1:], environment.moment]
            if step == 0:
                log_posterior = environment.moment.latents.new_zeros(len(state))
            else:
                log_posterior = self.updated(log_posterior, environment.sampler, *path)
            return self.guidance(log_posterior) - environment.cfg_base

        return act


def noise_to_signal(sampler: GuidedSampler, step: int) -> float:
    """Noise amplitude over signal amplitude of a step's level."""
    level = sampler.level(step)
    return level.sigma / level.alpha


def variance(sampler: GuidedSampler, step: int) -> float:
    """s2 of the step that leaves a level; not for the last one, which leads to no noise."""
    high, low = noise_to_signal(sampler, step), noise_to_signal(sampler, step + 1)
    return (high**2 - low**2) * low**2 / high**2
