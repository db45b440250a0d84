"""What one way of guiding makes of a set of latents, in the eyes of the proxy and both judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.classifiers import Classifier
from diffusion.comparison import ScoredArm
from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Episode
from diffusion.metrics import GaussianReference, diversity
from qhw.evaluation.eyes import EYES

EVALUATION_SEED = 424_242
"""Latents of every evaluation; training and fitting draw from other streams."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sight:
    """What one eye sees in pictures; one row per picture.

    Attributes:
        log_probability: (N,) log p of the wanted class in nats.
        correct: (N,) 1 where the eye names the wanted class, else 0.
        features: (N, F).
    """

    log_probability: FloatArray
    correct: FloatArray
    features: FloatArray


@dataclass(frozen=True)
class Score:
    """A sight without its features: small enough to keep on disk.

    Attributes:
        log_probability: (N,) nats.
        arm: Correctness, Frechet distance to the real pictures, and each latent's part in it.
        diversity: Mean feature distance within a class.
    """

    log_probability: FloatArray
    arm: ScoredArm
    diversity: float


@dataclass(frozen=True)
class Outcome:
    """Per-latent results of one arm, in latent order.

    Attributes:
        returns: (N,) undiscounted returns.
        guidance: (N,) mean over the steps of the guidance applied.
        scores: One per eye.
    """

    returns: FloatArray
    guidance: FloatArray
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class PairedLatents:
    """The latents and labels that all arms share.

    Attributes:
        latents: (N, C, H, W).
        labels: (N,).
    """

    latents: Tensor
    labels: Tensor


def evaluation_latents(bundle: Bundle, count: int, seed: int = EVALUATION_SEED) -> PairedLatents:
    """The first `count` latents of an evaluation, classes balanced."""
    shape = bundle.denoiser.sample_shape
    return PairedLatents(
        draw_latents(count, seed, shape), draw_labels(count, bundle.denoiser.num_classes)
    )


class Judges:
    """The proxy and both judges, with the real pictures as each of them sees them.

    Args:
        bundle: The model.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._eyes = dict(zip(EYES, (bundle.proxy, *bundle.judges), strict=True))
        real = bundle.reference_images.float() / 255
        self._references = {
            name: GaussianReference.of(_array(_look(eye, real)[1]))
            for name, eye in self._eyes.items()
        }

    def see(self, images: Tensor, labels: Tensor) -> dict[str, Sight]:
        """Show pictures (N, c, h, w) in [0, 1] to every eye."""
        sights = {}
        for name, eye in self._eyes.items():
            logits, features = _look(eye, images)
            log_probability = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
            correct = logits.argmax(1) == labels
            sights[name] = Sight(_array(log_probability), _array(correct), _array(features))
        return sights

    def judge(self, episode: Episode, labels: Tensor) -> Outcome:
        """Score an episode's final pictures; needs two pictures of a class at least."""
        scores = {}
        for name, sight in self.see(episode.images, labels).items():
            arm = ScoredArm.of(sight.correct, sight.features, self._references[name])
            scores[name] = Score(sight.log_probability, arm, diversity(sight.features, labels))
        return Outcome(_array(episode.returns), _array(episode.guidance.mean(dim=0)), scores)


def _look(eye: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        parts = [eye.forward_with_features(part) for part in images.split(250)]
    return torch.cat([logits for logits, _ in parts]), torch.cat([rows for _, rows in parts])


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
