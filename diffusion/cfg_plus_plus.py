"""CFG++ (arXiv 2406.08070): guide by interpolation, and renoise with the unguided noise.

    D = D_u + lambda (D_c - D_u),   x' = alpha' D + sigma' eps_u,   lambda in [0, 1]

D_u and D_c are the clean pictures predicted without and with the label. Without clipping, a DDIM
step of CFG++ is one of plain guidance with g = lambda / (1 - s' / s), where s = sigma / alpha: that
is the scale which is reported, and which a reward charges. What differs is that D stays between D_u
and D_c, so that clipping hardly touches it.
"""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from diffusion.sampler import GuidedSampler, NoisePrediction
from diffusion.solvers import Level, dpm_solver_step


class CfgPlusPlusSampler(GuidedSampler):
    """A sampler whose steps are those of CFG++, under the guidance scale g above."""

    @classmethod
    def like(cls, sampler: GuidedSampler) -> CfgPlusPlusSampler:
        """The same denoiser, noise levels and solver."""
        values = {f.name: getattr(sampler, f.name) for f in fields(sampler) if f.init}
        return cls(**values)

    def share(self, step: int) -> float:
        """The share lambda / g of a step: 1 - s' / s, in (0, 1]; 1 at the last step."""
        at, to = self.level(step), self.next_level(step)
        return 1 - (to.sigma * at.alpha) / (to.alpha * at.sigma)

    def schedule(self, strength: float) -> Tensor:
        """The scales g (T,) of one lambda in [0, 1]."""
        return torch.tensor([strength / self.share(step) for step in range(self.num_steps)])

    def next_level(self, step: int) -> Level:
        """The level that a step leads to; after the last one that of the plain sampler's end."""
        return self.level(step + 1) if step + 1 < self.num_steps else self.final_level

    @torch.no_grad()
    def step(
        self,
        latents: Tensor,
        step: int,
        prediction: NoisePrediction,
        guidance: Tensor,
        before: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Take one step under one scale g per image.

        Arguments are those of `GuidedSampler.step`. With DPM-Solver++ the unguided prediction is of
        second order, and what guidance adds to it of first.

        Returns:
            The less noisy latents, and the clean latents predicted without a label.
        """
        guided = prediction.guided(guidance * self.share(step))
        clean = self.predicted_clean(latents, step, guided)
        unguided = self.predicted_clean(latents, step, prediction.eps_uncond)
        to = self.next_level(step)
        if to.sigma == 0:
            return clean, unguided
        last = step + 1 == self.num_steps
        middle = unguided if last else self.carried_on(step, unguided, before)
        span = self.level(step), to
        return cfg_plus_plus_step(latents, clean, middle, unguided, span), unguided


def cfg_plus_plus_step(
    latents: Tensor, clean: Tensor, middle: Tensor, unguided: Tensor, span: tuple[Level, Level]
) -> Tensor:
    """The unguided step, and alpha' (D - D_u): of first order, x' = alpha' D + sigma' eps_u.

    Args:
        latents: x (N, C, H, W) at the first level of the span.
        clean: D.
        middle: D_u, or what a solver of second order takes in its place.
        unguided: D_u.
        span: The present level and the next one, which has noise.
    """
    at, to = span
    return dpm_solver_step(latents, middle, at, to) + to.alpha * (clean - unguided)
