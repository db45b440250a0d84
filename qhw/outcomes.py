"""What one way of guiding makes of a set of latents, in the eyes of the proxy and both judges.

Outcomes that do not depend on a run (constants, the confidence rule) are kept on disk: the key
holds everything they depend on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.classifiers import Classifier
from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Episode

EYES = ("proxy", "judge_0", "judge_1")
EVALUATION_SEED = 424_242
"""Latents of every evaluation; training and fitting draw from other streams."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """Per-latent results of one arm; arrays have one row per latent, in latent order.

    Attributes:
        returns: (N,) undiscounted returns.
        guidance: (T, N) applied.
        log_probability: Eye to (N,), log p of the wanted class in nats.
        correct: Eye to (N,), 1 where the eye names the wanted class.
        features: Eye to (N, F).
    """

    returns: FloatArray
    guidance: FloatArray
    log_probability: dict[str, FloatArray]
    correct: dict[str, FloatArray]
    features: dict[str, FloatArray]


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


def judge(bundle: Bundle, episode: Episode, labels: Tensor) -> Outcome:
    """Look at an episode's final pictures with all three eyes."""
    eyes = dict(zip(EYES, (bundle.proxy, *bundle.judges), strict=True))
    log_probability, correct, features = {}, {}, {}
    for name, eye in eyes.items():
        logits, rows = _look(eye, episode.images)
        log_probabilities = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
        log_probability[name] = _array(log_probabilities)
        correct[name] = _array(logits.argmax(1) == labels)
        features[name] = _array(rows)
    return Outcome(
        _array(episode.returns), _array(episode.guidance), log_probability, correct, features
    )


def real_features(bundle: Bundle) -> dict[str, FloatArray]:
    """Eye to features (M, F) of the bundle's real reference pictures."""
    images = bundle.reference_images.float() / 255
    eyes = zip(EYES, (bundle.proxy, *bundle.judges), strict=True)
    return {name: _array(_look(eye, images)[1]) for name, eye in eyes}


def remembered(folder: Path, key: dict[str, Any], make: Callable[[], Outcome]) -> Outcome:
    """Return the outcome stored under `key`, or make it and store it."""
    text = json.dumps(key, sort_keys=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"
    if path.exists():
        return _read(path)
    outcome = make()
    _write(path, outcome)
    return outcome


def _look(eye: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        parts = [eye.forward_with_features(part) for part in images.split(250)]
    return torch.cat([logits for logits, _ in parts]), torch.cat([rows for _, rows in parts])


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array


def _write(path: Path, outcome: Outcome) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"returns": outcome.returns, "guidance": outcome.guidance}
    for field in ("log_probability", "correct", "features"):
        arrays |= {f"{field}/{eye}": getattr(outcome, field)[eye] for eye in EYES}
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)


def _read(path: Path) -> Outcome:
    with np.load(path, allow_pickle=False) as arrays:
        by_eye = {
            field: {eye: arrays[f"{field}/{eye}"] for eye in EYES}
            for field in ("log_probability", "correct", "features")
        }
        return Outcome(returns=arrays["returns"], guidance=arrays["guidance"], **by_eye)


def reward_key(reward: Any) -> dict[str, Any]:
    """A reward's weights as part of a key."""
    return dataclasses.asdict(reward)
