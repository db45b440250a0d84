"""A discriminator: how much more often a picture is found among real ones than among generated.

Its logit estimates the log density ratio log(real / generated) of a class' pictures (Goodfellow et
al., arXiv 1406.2661; Sugiyama et al., Density Ratio Estimation, 2012). It sees AlexNet's features,
which neither the proxy nor a judge shares, through one hidden layer. It lies in a file of its own
beside the bundle's card; the card does not name it, so a bundle may get one later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from diffusion.bundle import Bundle
from diffusion.embedded import sha256
from diffusion.imagenet_features import ImageNetFeatures

FILE = "discriminator.safetensors"
FEATURES, HIDDEN = 256, 64


class MissingDiscriminatorError(ValueError):
    """A bundle has no discriminator, or one that was fitted to other pictures."""


class Discriminator(nn.Module):
    """Log density ratio of real against generated pictures of a class, in nats.

    Args:
        classes: Number of classes.
        device: Where AlexNet runs.
    """

    def __init__(self, classes: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Linear(FEATURES + classes, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
        )
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("sd", torch.ones(FEATURES))
        self.see = ImageNetFeatures(device)

    def logit(self, features: Tensor, labels: Tensor) -> Tensor:
        """Logit (N,) of AlexNet's features (N, 256) of pictures that should show labels (N,)."""
        scaled = (features - self.get_buffer("mean")) / self.get_buffer("sd")
        named = functional.one_hot(labels, self.classes).float()
        logits: Tensor = self.layers(torch.cat([scaled, named], dim=1))
        return logits.squeeze(1)

    @torch.no_grad()
    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Log density ratio (N,) of pictures (N, c, h, w) in [0, 1] as pictures of labels (N,)."""
        return self.logit(self.see(images), labels)


def save_discriminator(
    discriminator: Discriminator, bundle: Bundle, facts: Mapping[str, str]
) -> None:
    """Write it beside a bundle's card, with what it was fitted to and other facts."""
    weights = discriminator.state_dict()
    made = {
        "denoiser": bundle.card.checksums["denoiser.safetensors"],
        "weights": _checksum(weights),
        **facts,
    }
    # One entry: several are written in no order, and equal files would have several digests.
    save_file(weights, bundle.folder / FILE, metadata={"made": json.dumps(made)})


def load_discriminator(bundle: Bundle, device: torch.device | str = "cpu") -> Discriminator:
    """A bundle's discriminator, frozen.

    Raises:
        MissingDiscriminatorError: If the bundle has none, or its is of another denoiser's pictures.
        ValueError: If the file is damaged.
    """
    made = discriminator_facts(bundle)
    if made["denoiser"] != bundle.card.checksums.get("denoiser.safetensors"):
        raise MissingDiscriminatorError(
            f"{bundle.folder / FILE} was fitted to pictures of another denoiser"
        )
    weights = load_file(bundle.folder / FILE)
    if made["weights"] != _checksum(weights):
        raise ValueError(
            f"{bundle.folder / FILE} is damaged: its weights are not those it tells of"
        )
    discriminator = Discriminator(len(bundle.card.class_names))
    discriminator.load_state_dict(weights)
    discriminator.see = ImageNetFeatures(device)
    return discriminator.to(device).eval().requires_grad_(False)


def discriminator_facts(bundle: Bundle) -> dict[str, str]:
    """What is told of a bundle's discriminator: denoiser, pictures, accuracy, seed.

    Raises:
        MissingDiscriminatorError: If the bundle has none.
        ValueError: If the file is damaged.
    """
    path = bundle.folder / FILE
    if not path.exists():
        raise MissingDiscriminatorError(f"the bundle {bundle.card.name!r} has no discriminator")
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, str] = json.loads(file.metadata()["made"])
            return facts
    except (SafetensorError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def discriminator_digest(bundle: Bundle) -> str:
    """Short digest of a bundle's discriminator, for keys and provenance."""
    return sha256(bundle.folder / FILE)[:16]


def _checksum(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over all tensors, by name."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()
