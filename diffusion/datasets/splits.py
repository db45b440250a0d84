"""Labelled pictures: those to learn from and those to measure on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Pictures and their classes.

    Attributes:
        images: (N, c, h, w) uint8.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"images {tuple(self.images.shape)} and labels {tuple(self.labels.shape)} differ"
            )

    def pick(self, indices: Tensor) -> Split:
        """The pictures at these positions."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A training and a test split.

    Attributes:
        name: Name of the data set.
        class_names: One per class.
        train: Pictures to learn from.
        test: Pictures to measure on.
        checksums: SHA-256 of what it was read from, by name.
        kind: As what it was read, a name that `load_dataset` knows; empty where it was not.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    checksums: dict[str, str]
    kind: str = ""
