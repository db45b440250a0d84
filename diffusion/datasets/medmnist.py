"""MedMNIST's files: arrays of pictures and labels in one npz (Yang et al., arXiv 2110.14795)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion.datasets.splits import Dataset, Split

_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


def load_medmnist(path: Path) -> Dataset:
    """One of its data sets, such as `pathmnist.npz`; the validation part is left alone.

    Classes are called by their numbers, since the file does not name them.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: point --data to a file of MedMNIST's, *.npz")
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in _ARRAYS}
    except (KeyError, ValueError, BadZipFile, OSError) as error:
        raise ValueError(f"{path} is no file of MedMNIST's: {error}") from error
    train, test = (
        _split(path, arrays[f"{part}_images"], arrays[f"{part}_labels"])
        for part in ("train", "test")
    )
    names = tuple(f"class {number}" for number in range(int(train.labels.max()) + 1))
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return Dataset(path.stem, names, train, test, {path.name: checksum})


def _split(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    if labels.ndim != 2 or labels.shape[1] != 1:
        raise ValueError(f"{path} gives several labels to a picture: one class each is needed")
    pixels = images[..., None] if images.ndim == 3 else images
    return Split(
        torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))),
        torch.from_numpy(labels[:, 0].astype(np.int64)),
    )
