"""Greedy online feedback: every step takes the scale whose predicted picture the proxy likes best.

After arXiv 2509.16131: an evaluator, here the reward's, is asked about the clean picture that each
scale of a small grid predicts. No training, one proxy call per scale and step, and no forward of
the denoiser beyond the one that every sampler makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, play

SCALES = 7


@dataclass(frozen=True)
class Greedy:
    """g = argmax over the scales of R(D(g)) - weight price(g).

    D(g) is the clean picture predicted under g, R what the reward pays for it, had it been the last
    one: log p(y | D(g)), capped, and realism. Price is the form in which the reward charges
    guidance, such as abs(g - 1).

    Attributes:
        scales: Guidance scales to choose from, rising; of equally good ones the first is taken.
        weight: Of the price, in nats per unit of price; >= 0.
    """

    scales: tuple[float, ...]
    weight: float

    @classmethod
    def over_range(cls, environment: GuidanceEnvironment, weight: float) -> Greedy:
        """Scales spread evenly over what a policy can reach in an environment."""
        limit = environment.action_limit
        low, high = environment.guidance_of(torch.tensor([-limit, limit])).tolist()
        gap = (high - low) / (SCALES - 1)
        return cls(tuple(round(low + gap * index, 4) for index in range(SCALES)), weight)

    def guidance(self, environment: GuidanceEnvironment) -> Tensor:
        """The choice (N,) for the step that an environment is at."""
        scores = torch.stack([self._score(environment, scale) for scale in self.scales])
        return torch.tensor(self.scales)[scores.argmax(dim=0).cpu()]

    def play(self, environment: GuidanceEnvironment, latents: Tensor, labels: Tensor) -> Episode:
        """Play whole episodes, in an environment that is `widened`."""

        def act(_step: int, state: Tensor) -> Tensor:
            return self.guidance(environment).to(state) - environment.cfg_base

        return play(environment, latents, labels, act)

    def _score(self, environment: GuidanceEnvironment, scale: float) -> Tensor:
        paid = environment.foresee(scale)
        price = environment.reward.guidance_distance(torch.full_like(paid, scale))
        return paid - self.weight * price
