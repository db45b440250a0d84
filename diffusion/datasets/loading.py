"""Data sets by their names; nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diffusion.datasets.idx import load_fashion_mnist
from diffusion.datasets.image_folder import LAYOUT, load_images
from diffusion.datasets.medmnist import load_medmnist
from diffusion.datasets.splits import Dataset
from diffusion.datasets.torchvision_folders import load_cifar10, load_cifar100, load_stl10

_LOADERS: dict[str, Callable[[Path], Dataset]] = {
    "fashion-mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "stl10": load_stl10,
    "medmnist": load_medmnist,
}
KINDS = {
    "fashion-mnist": "the four IDX files, gzipped or not",
    "cifar10": "torchvision's folder",
    "cifar100": "torchvision's folder",
    "stl10": "torchvision's folder",
    "medmnist": "one of MedMNIST's files, *.npz",
    "images": LAYOUT,
}
"""What `--data` is for each data set."""


def load_dataset(name: str, folder: Path, size: int | None = None, seed: int = 0) -> Dataset:
    """Load a data set by its name.

    Args:
        name: One of `KINDS`.
        folder: Where it lies; of `medmnist` the file.
        size: Side of the pictures wanted of `images`, which may be of any size then; the others
            come as they are.
        seed: Of the choice of test pictures, where `images` has none set apart.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the name is unknown or a file is not what it should be.
    """
    if name not in KINDS:
        raise ValueError(f"there is no data set named {name!r}: use one of {sorted(KINDS)}")
    images = name == "images"
    loaded = load_images(folder, size, seed) if images else _LOADERS[name](folder)
    return replace(loaded, kind=name)
