"""The kinds of classifiers of others that a card may name, and what opens each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diffusion.classifiers import Classifier
from diffusion.foreign.clip import open_clip
from diffusion.foreign.imagenet import open_imagenet

FOREIGN_KINDS: dict[str, Callable[[Path], Classifier]] = {
    "clip": open_clip,
    "torchvision": open_imagenet,
}
