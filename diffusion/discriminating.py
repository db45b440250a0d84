"""Fit a bundle's discriminator: real pictures against ones that its denoiser makes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffusion.bundle import Bundle
from diffusion.datasets import Dataset, Split, shrink
from diffusion.discriminator import Discriminator, save_discriminator
from diffusion.environment import draw_latents
from diffusion.optimisation import Report, model_device

SEED = 717_171
MOST_GUIDANCE = 3.0
"""Generated pictures that it learns from are guided by 1 to this."""
MOST_REAL, MOST_UNSEEN = 5000, 2000
"""Real pictures that it learns from and is tested on, and as many generated ones each."""
EPOCHS, BATCH = 30, 250
RATE, WEIGHT_DECAY = 1e-3, 0.05


@dataclass(frozen=True)
class Examples:
    """What is to be told apart.

    Attributes:
        features: (2 N, 256) of real pictures, then of generated ones.
        labels: (2 N,).
        truth: (2 N,), 1 where real and 0 where generated.
    """

    features: Tensor
    labels: Tensor
    truth: Tensor

    def accuracy(self, discriminator: Discriminator) -> float:
        """Share that is told apart, in [0, 1]."""
        with torch.no_grad():
            told = discriminator.logit(self.features, self.labels) > 0
        return float((told == (self.truth > 0.5)).double().mean())


def fit_discriminator(
    dataset: Dataset, bundle: Bundle, report: Report, device: torch.device | str = "cpu"
) -> float:
    """Fit a discriminator to a bundle's pictures and write it beside the card.

    Args:
        dataset: The real pictures, of any size.
        bundle: Whose pictures are told from them.
        report: Prints a line of progress.
        device: Where pictures are made and looked at; it learns on the processor.

    Returns:
        Its accuracy on pictures that it was not fitted to, half of them real.
    """
    shrunk = shrink(dataset, bundle.fitted_denoiser.config.image_size)
    bundle.fitted_denoiser.to(device).make_in(None)
    discriminator = Discriminator(len(bundle.card.class_names), device)
    report("discriminator: making pictures to tell from real ones")
    seen = examples(discriminator, bundle, _first(shrunk.train, MOST_REAL), SEED)
    _descend(discriminator, seen)
    unseen = examples(discriminator, bundle, _first(shrunk.test, MOST_UNSEEN), SEED + 1)
    accuracy = unseen.accuracy(discriminator)
    facts = {"pictures": str(len(seen.labels)), "accuracy": f"{accuracy:.3f}", "seed": str(SEED)}
    save_discriminator(discriminator, bundle, facts)
    report(f"discriminator: right on {accuracy:.1%} of unseen pictures, half of them real")
    return accuracy


def examples(discriminator: Discriminator, bundle: Bundle, real: Split, seed: int) -> Examples:
    """Real pictures and as many generated ones of the same classes."""
    generated = _generated(bundle, real.labels, seed)
    looked_at = (real.images.float() / 255, generated)
    features = [discriminator.see(images).cpu() for images in looked_at]
    truth = torch.cat([torch.ones(len(real.labels)), torch.zeros(len(real.labels))])
    return Examples(torch.cat(features), real.labels.repeat(2), truth)


def _first(split: Split, count: int) -> Split:
    return split.pick(torch.arange(min(count, len(split.labels))))


def _generated(bundle: Bundle, labels: Tensor, seed: int) -> Tensor:
    """Pictures of these labels, each under a constant of its own."""
    generator = torch.Generator().manual_seed(seed)
    sampler, device = bundle.sampler(bundle.card.num_steps), model_device(bundle.fitted_denoiser)
    latents = draw_latents(len(labels), seed, sampler.denoiser.sample_shape).to(device)
    labels = labels.to(device)
    guidance = 1 + (MOST_GUIDANCE - 1) * torch.rand(len(labels), generator=generator)
    schedule = guidance.expand(sampler.num_steps, -1)
    parts = zip(latents.split(64), labels.split(64), schedule.split(64, dim=1), strict=True)
    return torch.cat([sampler.denoiser.decode(sampler.sample(x, y, g)) for x, y, g in parts])


def _descend(discriminator: Discriminator, seen: Examples) -> None:
    """Minimise the cross-entropy of real against generated."""
    torch.manual_seed(SEED)
    for layer in discriminator.layers:
        if isinstance(layer, torch.nn.Linear):
            layer.reset_parameters()
    discriminator.get_buffer("mean").copy_(seen.features.mean(dim=0))
    discriminator.get_buffer("sd").copy_(seen.features.std(dim=0).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(
        discriminator.layers.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY
    )
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(seen.truth), generator=generator).split(BATCH):
            logits = discriminator.logit(seen.features[part], seen.labels[part])
            loss = functional.binary_cross_entropy_with_logits(logits, seen.truth[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
