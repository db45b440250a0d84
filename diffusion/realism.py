"""How far generated pictures are from real ones, beside how far real ones are from each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion.classifiers import Classifier, batches
from diffusion.imagenet_features import ImageNetFeatures
from diffusion.metrics import GaussianReference, feature_rows
from diffusion.references import ALEXNET

Eye = Callable[[Tensor], Tensor]
"""Pictures (N, c, h, w) in [0, 1] to features (N, F)."""
_BATCH = 250


def all_eyes(classifiers: Mapping[str, Classifier], device: torch.device) -> dict[str, Eye]:
    """What classifiers see, by their names, and AlexNet beside them, where they are."""

    def seen_by(network: Classifier) -> Eye:
        return lambda pictures: network.features(pictures.to(device))

    eyes = {name: seen_by(each) for name, each in classifiers.items()}
    return {**eyes, ALEXNET: ImageNetFeatures(device)}


@torch.no_grad()
def see(eyes: Mapping[str, Eye], images: Tensor) -> dict[str, Tensor]:
    """What every eye sees in pictures in [0, 1], or uint8, (M, F) each, on the processor."""
    here = torch.device("cpu")
    return {
        name: torch.cat([eye(part) for part in batches(images, here)]).cpu()
        for name, eye in eyes.items()
    }


@dataclass(frozen=True)
class Realism:
    """Squared Frechet distances in one eye's features, between sets of N pictures each.

    Attributes:
        generated: Generated to real pictures, the mean over two sets of real ones.
        real: Between those two sets.
    """

    generated: float
    real: float

    @property
    def ratio(self) -> float:
        """How many times further from real pictures than these are from each other."""
        return self.generated / self.real


def realism(images: Tensor, real: Tensor, eyes: Mapping[str, Eye]) -> dict[str, Realism]:
    """Compare pictures with as many real ones, twice, and those with each other.

    Distances are biased by about 1 / N, so all sets are of one size.

    Args:
        images: (N, c, h, w) in [0, 1], generated.
        real: (2 N, c, h, w) in [0, 1].
        eyes: What looks at them, by name.

    Raises:
        ValueError: If there are not twice as many real pictures as generated ones.
    """
    if len(real) != 2 * len(images):
        raise ValueError(f"{len(images)} pictures need {2 * len(images)} real ones: {len(real)}")
    return {name: _compare(eye, images, real) for name, eye in eyes.items()}


@torch.no_grad()
def _compare(eye: Eye, images: Tensor, real: Tensor) -> Realism:
    generated, one, other = (
        feature_rows(torch.cat([eye(part) for part in pictures.split(_BATCH)]))
        for pictures in (images, *real.chunk(2))
    )
    first, second = GaussianReference.of(one), GaussianReference.of(other)
    mean = (first.distance(generated) + second.distance(generated)) / 2
    return Realism(mean, first.distance(other))
