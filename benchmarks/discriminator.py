"""A discriminator that tells real pictures from generated ones, by AlexNet's features.

Its logit is an estimate of the log density ratio of real against generated pictures (Goodfellow et
al., arXiv 1406.2661; Sugiyama et al., Density Ratio Estimation, 2012).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from diffusion.datasets import Split
from diffusion.environment import GuidanceEnvironment
from diffusion.imagenet_features import ImageNetFeatures

SEED = 717_171
MOST_GUIDANCE = 3.0
"""Generated pictures that it learns from are guided by 1 to this."""
EPOCHS, BATCH = 30, 250


class Discriminator(nn.Module):
    """Log density ratio of real against generated pictures of a class, in nats.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(nn.Linear(256 + classes, 64), nn.ReLU(), nn.Linear(64, 1))
        self.register_buffer("mean", torch.zeros(256))
        self.register_buffer("sd", torch.ones(256))
        self._eye: Callable[[Tensor], Tensor] = ImageNetFeatures()

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Logit (N,) of features (N, 256) of pictures that should show labels (N,)."""
        scaled = (features - self.get_buffer("mean")) / self.get_buffer("sd")
        named = functional.one_hot(labels, self.classes).float()
        logits: Tensor = self.layers(torch.cat([scaled, named], dim=1))
        return logits.squeeze(1)

    def look(self, images: Tensor) -> Tensor:
        """Features (N, 256) of pictures (N, c, h, w) in [0, 1]."""
        features: Tensor = self._eye(images)
        return features

    @torch.no_grad()
    def of(self, images: Tensor, labels: Tensor) -> Tensor:
        """Log density ratio (N,) of pictures (N, c, h, w) in [0, 1]."""
        ratios: Tensor = self(self.look(images), labels)
        return ratios


def fitted_discriminator(
    environment: GuidanceEnvironment, real: Split, fresh: Split, path: Path
) -> tuple[Discriminator, float]:
    """Fit it to as many real as generated pictures, or recall it; with its accuracy on others."""
    discriminator = Discriminator(int(real.labels.max()) + 1)
    seen = _examples(environment, discriminator, real, SEED, path / "seen")
    if not (path / "discriminator.safetensors").exists():
        _fit(discriminator, *seen)
        state = discriminator.state_dict()
        save_file(state, path / "discriminator.safetensors")
    discriminator.load_state_dict(load_file(path / "discriminator.safetensors"))
    unseen = _examples(environment, discriminator, fresh, SEED + 1, path / "unseen")
    features, labels, truth = unseen
    with torch.no_grad():
        right = (discriminator(features, labels) > 0) == (truth > 0.5)
    return discriminator.eval(), float(right.double().mean())


def _examples(
    environment: GuidanceEnvironment,
    discriminator: Discriminator,
    real: Split,
    seed: int,
    path: Path,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, labels and truth (1 real, 0 generated) of real pictures and as many generated."""
    file = path.with_suffix(".safetensors")
    if not file.exists():
        generated = _generated(environment, real.labels, seed)
        features = torch.cat(
            [discriminator.look(real.images.float() / 255), discriminator.look(generated)]
        )
        save_file({"features": features}, file)
    features = load_file(file)["features"]
    labels = real.labels.repeat(2)
    truth = torch.cat([torch.ones(len(real.labels)), torch.zeros(len(real.labels))])
    return features, labels, truth


def _generated(environment: GuidanceEnvironment, labels: Tensor, seed: int) -> Tensor:
    """Pictures of these labels, each under a constant of its own."""
    generator = torch.Generator().manual_seed(seed)
    sampler = environment.sampler
    latents = torch.randn(len(labels), *sampler.denoiser.sample_shape, generator=generator)
    guidance = 1 + (MOST_GUIDANCE - 1) * torch.rand(len(labels), generator=generator)
    schedule = guidance.expand(sampler.num_steps, -1)
    parts = zip(latents.split(64), labels.split(64), schedule.split(64, dim=1), strict=True)
    return torch.cat([sampler.denoiser.decode(sampler.sample(x, y, g)) for x, y, g in parts])


def _fit(discriminator: Discriminator, features: Tensor, labels: Tensor, truth: Tensor) -> None:
    torch.manual_seed(SEED)
    discriminator.get_buffer("mean").copy_(features.mean(dim=0))
    discriminator.get_buffer("sd").copy_(features.std(dim=0).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(discriminator.layers.parameters(), lr=1e-3, weight_decay=0.05)
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(truth), generator=generator).split(BATCH):
            loss = functional.binary_cross_entropy_with_logits(
                discriminator(features[part], labels[part]), truth[part]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
