"""A diffusion model whose noise is known in closed form, and a linear classifier of its classes."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from diffusion.sampler import GuidedSampler

torch.set_num_threads(1)

CLASSES = 4
SHAPE = (1, 16, 16)


class GaussianMixtureDenoiser:
    """Exact denoiser of x_0 ~ N(mean_y, spread^2), y uniform; counts its forwards."""

    num_classes = CLASSES
    sample_shape = SHAPE

    def __init__(self, prediction_type: str = "epsilon", spread: float = 0.3) -> None:
        self.prediction_type = prediction_type
        generator = torch.Generator().manual_seed(7)
        coarse = torch.rand((CLASSES, 1, 4, 4), generator=generator) * 2 - 1
        self.means = torch.nn.functional.interpolate(coarse, scale_factor=4)
        self.spread = spread
        schedule = DDIMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
        self.alpha_bar = schedule.alphas_cumprod
        self.calls = 0

    def predict(
        self, latents: Tensor, timesteps: Tensor | int, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        self.calls += 1
        a = self.alpha_bar[int(timesteps)]
        shift = latents[:, None] - a.sqrt() * self.means
        variance = a * self.spread**2 + 1 - a
        noises = (1 - a).sqrt() / variance * shift
        weights = (-(shift**2).sum(dim=(2, 3, 4)) / (2 * variance)).softmax(dim=1)
        uncond = (weights[..., None, None, None] * noises).sum(dim=1)
        cond = noises[torch.arange(len(labels)), labels]
        return self._output(latents, a, uncond), self._output(latents, a, cond)

    def _output(self, x: Tensor, a: Tensor, eps: Tensor) -> Tensor:
        clean = (x - (1 - a).sqrt() * eps) / a.sqrt()
        if self.prediction_type == "sample":
            return clean
        if self.prediction_type == "v_prediction":
            return a.sqrt() * eps - (1 - a).sqrt() * clean
        return eps

    def decode(self, latents: Tensor) -> Tensor:
        return ((latents + 1) / 2).clamp(0, 1)

    def render(self, latents: Tensor) -> Tensor:
        return self.decode(latents)

    def preview(self, latents: Tensor) -> Tensor:
        return self.decode(latents)

    def encode(self, images: Tensor) -> Tensor:
        return images * 2 - 1


class LinearClassifier(nn.Module):
    """The class whose mean is nearest, with a temperature that keeps it unsure."""

    def __init__(self, means: Tensor, temperature: float = 20.0) -> None:
        super().__init__()
        rows = means.flatten(1)
        self.weight = nn.Parameter(rows * 2 / temperature, requires_grad=False)
        self.bias = nn.Parameter(-(rows**2).sum(dim=1) / temperature, requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images * 2 - 1).flatten(1) @ self.weight.T + self.bias


@pytest.fixture
def denoiser() -> GaussianMixtureDenoiser:
    return GaussianMixtureDenoiser()


@pytest.fixture
def sampler(denoiser: GaussianMixtureDenoiser) -> GuidedSampler:
    return GuidedSampler(denoiser, num_steps=5)


@pytest.fixture
def proxy(denoiser: GaussianMixtureDenoiser) -> LinearClassifier:
    return LinearClassifier(denoiser.means).eval()


@pytest.fixture
def make_denoiser() -> type[GaussianMixtureDenoiser]:
    return GaussianMixtureDenoiser
