"""CIFAR-10, CIFAR-100 and STL-10 from folders that torchvision can read; never redistributed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.datasets.splits import Dataset, Split


def load_cifar10(folder: Path) -> Dataset:
    """CIFAR-10 (Krizhevsky, 2009): 32 x 32, colour."""
    return _cifar("cifar10", folder)


def load_cifar100(folder: Path) -> Dataset:
    """CIFAR-100 (Krizhevsky, 2009): 32 x 32, colour, 100 classes."""
    return _cifar("cifar100", folder)


def load_stl10(folder: Path) -> Dataset:
    """STL-10 (Coates et al., 2011): 96 x 96, colour; 5,000 pictures to learn from."""
    parts = [_open("STL10", folder, split=split) for split in ("train", "test")]
    train, test = (_split(part.data, part.labels) for part in parts)
    return Dataset("stl10", tuple(parts[0].classes), train, test, {})


def _cifar(name: str, folder: Path) -> Dataset:
    parts = [_open(name.upper(), folder, train=first) for first in (True, False)]
    train, test = (_split(part.data.transpose(0, 3, 1, 2), part.targets) for part in parts)
    return Dataset(name, tuple(parts[0].classes), train, test, {})


def _open(kind: str, folder: Path, **split: Any) -> Any:
    from torchvision import datasets

    try:
        return getattr(datasets, kind)(str(folder), download=False, **split)
    except RuntimeError as error:
        raise FileNotFoundError(
            f"{folder} holds no intact {kind}: {error}. Point --data to the folder that "
            "torchvision unpacked it into; a tree of pictures is --dataset images"
        ) from error


def _split(images: Any, labels: Any) -> Split:
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    return Split(pixels, torch.as_tensor(np.asarray(labels), dtype=torch.int64))
