"""What one way of guiding makes of a set of latents, in every eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.classifiers import Classifier, batches
from diffusion.comparison import ScoredArm
from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Episode
from diffusion.imagenet_features import ImageNetFeatures
from diffusion.metrics import diversity
from qhw.evaluation.eyes import EYES, HELD_OUT, PROXY, STRANGER
from qhw.evaluation.real_pictures import RealPictures, real_pictures

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
        arm: Correctness, log p, Frechet distance to the real pictures, each latent's part in it.
        diversity: Mean feature distance within a class.
        kernel: Unbiased kernel distance to the real pictures, for sets too small for Frechet's.
    """

    arm: ScoredArm
    diversity: float
    kernel: float


@dataclass(frozen=True)
class Outcome:
    """Per-latent results of one arm, in latent order.

    Attributes:
        returns: (N,) undiscounted returns.
        guidance: (N,) mean over the steps of the guidance applied.
        scores: One per eye.
        likeness: The paper's metrics of the first M latents, (M,) each; see `PaperMetrics`.
    """

    returns: FloatArray
    guidance: FloatArray
    scores: Mapping[str, Score]
    likeness: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def judged(self) -> FloatArray:
        """(N,) share of the held-out judges who name the wanted class."""
        first, second = (self.scores[eye].arm.correct for eye in HELD_OUT)
        return (first + second) / 2

    @property
    def proxy_gap(self) -> FloatArray:
        """(N,) what the proxy finds right and the judges do not."""
        return self.scores[PROXY].arm.correct - self.judged


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
    """All eyes, with the real pictures as each of them sees them.

    Args:
        bundle: The model.
    """

    def __init__(self, bundle: Bundle) -> None:
        judges = (judge.to(bundle.proxy.device) for judge in bundle.judges)
        self._eyes = dict(zip(EYES, (bundle.proxy, *judges), strict=True))
        self._bundle = bundle

    def see(self, images: Tensor, labels: Tensor) -> dict[str, Sight]:
        """Show pictures (N, c, h, w) in [0, 1] to the classifiers."""
        sights = {}
        for name, eye in self._eyes.items():
            logits, features = _look(eye, images)
            log_probability = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
            correct = logits.argmax(1) == labels
            sights[name] = Sight(_array(log_probability), _array(correct), _array(features))
        return sights

    def judge(self, episode: Episode, labels: Tensor) -> Outcome:
        """Score an episode's final pictures; needs two pictures of a class at least."""
        sights = self.see(episode.images, labels)
        sights[STRANGER] = self._strange_sight(episode.images, [sights[eye] for eye in HELD_OUT])
        scores = {name: self._score(name, sight, labels) for name, sight in sights.items()}
        return Outcome(_array(episode.returns), _array(episode.guidance.mean(dim=0)), scores)

    @cached_property
    def _stranger(self) -> ImageNetFeatures:
        return ImageNetFeatures(self._bundle.proxy.device)

    @cached_property
    def _real(self) -> dict[str, RealPictures]:
        return real_pictures(self._bundle, self._look_at_real)

    def _look_at_real(self) -> dict[str, Tensor]:
        if self._bundle.references.features:
            return dict(self._bundle.references.features)
        images = self._bundle.references.images
        looks = {name: _look(eye, images)[1] for name, eye in self._eyes.items()}
        return {**looks, STRANGER: self._stranger(images).cpu()}

    def _strange_sight(self, images: Tensor, judges: Sequence[Sight]) -> Sight:
        """The stranger's features; what it cannot say is the mean of what the judges say."""
        return Sight(
            log_probability=np.mean([sight.log_probability for sight in judges], axis=0),
            correct=np.mean([sight.correct for sight in judges], axis=0),
            features=_array(self._stranger(images)),
        )

    def _score(self, name: str, sight: Sight, labels: Tensor) -> Score:
        real = self._real[name]
        seen = sight.correct, sight.log_probability, sight.features
        return Score(
            arm=ScoredArm.of(*seen, real.gaussian),
            diversity=diversity(sight.features, labels),
            kernel=real.kernel.distance(sight.features),
        )


def _look(eye: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and features (N, F), on the processor, wherever the eye is."""
    with torch.no_grad():
        parts = [eye.forward_with_features(part) for part in batches(images, eye.device)]
    logits, rows = (torch.cat(columns).cpu() for columns in zip(*parts, strict=True))
    return logits, rows


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
