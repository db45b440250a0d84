"""Real pictures of a bundle that no network was trained on, or what is left of them.

Where pictures may be passed on, a bundle holds some; where they may not (CIFAR-10 states no
licence), it holds what its classifiers and AlexNet see in them: all that distances need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Kept = Literal["pictures", "features"]
ALEXNET = "imagenet"
"""The eye that is no classifier of the bundle's."""
FILES: dict[Kept, str] = {"pictures": "references.safetensors", "features": "seen.safetensors"}
"""Where they lie in a bundle's folder; one of the two."""


class NoPicturesError(ValueError):
    """A bundle holds features of real pictures, and the pictures are asked for."""


@dataclass(frozen=True)
class References:
    """Real pictures, or their features.

    Attributes:
        labels: (M,) int64.
        pictures: (M, c, h, w) uint8; None where features are kept instead.
        features: Eye to what it sees, (M, F) each; empty where there are pictures.
    """

    labels: Tensor
    pictures: Tensor | None = None
    features: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.pictures is None) == (not self.features):
            raise ValueError("references are pictures or features: give one of them")

    @property
    def images(self) -> Tensor:
        """The pictures (M, c, h, w) in [0, 1].

        Raises:
            NoPicturesError: If there are none.
        """
        if self.pictures is None:
            raise NoPicturesError("this bundle holds features of real pictures, no pictures")
        return self.pictures.float() / 255

    def save(self, folder: Path) -> str:
        """Write them, features in half precision; the file's name."""
        if self.pictures is not None:
            name, tensors = FILES["pictures"], {"images": self.pictures}
        else:
            name = FILES["features"]
            tensors = {eye: seen.half() for eye, seen in self.features.items()}
        whole = {**tensors, "labels": self.labels}
        unfinished = folder / f"{name}.part"
        save_file({key: tensor.contiguous() for key, tensor in whole.items()}, unfinished)
        unfinished.replace(folder / name)
        return name

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Read the file of that name.

        Raises:
            ValueError: If it holds neither.
        """
        tensors = load_file(folder / name)
        needed = {"labels", "images"} if name == FILES["pictures"] else {"labels", "proxy"}
        if not needed <= tensors.keys():
            raise ValueError(
                f"{folder / name} holds {sorted(tensors)}: {sorted(needed)} are needed"
            )
        labels = tensors.pop("labels")
        if name == FILES["pictures"]:
            return cls(labels, tensors["images"])
        return cls(labels, features={eye: seen.to(torch.float32) for eye, seen in tensors.items()})
