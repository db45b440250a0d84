"""Labelled pictures from disk; nothing is ever downloaded."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

FASHION_CLASSES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_IDX_IMAGES, _IDX_LABELS = 2051, 2049


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
        checksums: SHA-256 of the files it was read from, by file name.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    checksums: dict[str, str]


def load_dataset(name: str, folder: Path) -> Dataset:
    """Load a data set by its name.

    Args:
        name: `fashion-mnist` (IDX files, gzipped or not), `cifar10` (torchvision's folder) or
            `images` (train/CLASS/*.png and test/CLASS/*.png, all of one size).
        folder: Where it lies.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the name is unknown or a file is not what it should be.
    """
    loaders = {"fashion-mnist": load_fashion_mnist, "cifar10": load_cifar10, "images": load_images}
    if name not in loaders:
        raise ValueError(f"there is no data set named {name!r}: use one of {sorted(loaders)}")
    return loaders[name](folder)


def shrink(dataset: Dataset, size: int) -> Dataset:
    """Frame pictures in black to the next multiple of `size` and average blocks of pixels.

    Args:
        dataset: Square pictures (N, c, h, h).
        size: Height and width wanted, at most h or h's next power of 2.

    Raises:
        ValueError: If the pictures are not square, or smaller than half of `size`.
    """
    return dataclasses.replace(
        dataset,
        train=Split(_shrink(dataset.train.images, size), dataset.train.labels),
        test=Split(_shrink(dataset.test.images, size), dataset.test.labels),
    )


def _shrink(images: Tensor, size: int) -> Tensor:
    height, width = images.shape[-2:]
    missing = -height % size
    if height != width or missing % 2 or 2 * height <= size:
        raise ValueError(
            f"pictures of {height} x {width} cannot be framed to a multiple of {size} pixels: "
            "give square ones with an even difference"
        )
    framed = functional.pad(images, (missing // 2,) * 4)
    block = (height + missing) // size
    parts = [functional.avg_pool2d(part.float(), block) for part in framed.split(5000)]
    return torch.cat([part.round().to(torch.uint8) for part in parts])


def load_fashion_mnist(folder: Path) -> Dataset:
    """Fashion-MNIST (Xiao et al., arXiv 1708.07747) from its four IDX files."""
    checksums: dict[str, str] = {}

    def read(stem: str, magic: int) -> Tensor:
        path = next((p for p in (folder / f"{stem}.gz", folder / stem) if p.is_file()), None)
        if path is None:
            raise FileNotFoundError(
                f"{folder} holds no {stem}[.gz]: point --data to the folder of Fashion-MNIST's "
                "IDX files"
            )
        checksums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return torch.from_numpy(_read_idx(path, magic))

    train, test = (
        Split(
            read(f"{prefix}-images-idx3-ubyte", _IDX_IMAGES)[:, None],
            read(f"{prefix}-labels-idx1-ubyte", _IDX_LABELS).long(),
        )
        for prefix in ("train", "t10k")
    )
    return Dataset("fashion-mnist", FASHION_CLASSES, train, test, checksums)


def load_cifar10(folder: Path) -> Dataset:
    """CIFAR-10 from a folder that torchvision can read; its pictures are never redistributed."""
    from torchvision.datasets import CIFAR10

    splits = []
    for train in (True, False):
        try:
            data = CIFAR10(str(folder), train=train, download=False)
        except RuntimeError as error:
            raise FileNotFoundError(f"{folder} holds no intact CIFAR-10: {error}") from error
        images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        splits.append(Split(images, torch.tensor(data.targets)))
    return Dataset("cifar10", tuple(data.classes), splits[0], splits[1], {})


def load_images(folder: Path) -> Dataset:
    """A folder of pictures, one sub-folder per class, under train/ and test/."""
    names = tuple(sorted(path.name for path in (folder / "train").iterdir() if path.is_dir()))
    train, test = (_read_image_folder(folder / split, names) for split in ("train", "test"))
    return Dataset(folder.name, names, train, test, {})


def _read_idx(path: Path, magic: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Read unsigned bytes: magic number and sizes are big-endian 32-bit integers."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = magic % 256
    header = np.frombuffer(content[: 4 * (1 + dimensions)], dtype=">i4")
    sizes = tuple(int(size) for size in header[1:])
    body = np.frombuffer(content, dtype=np.uint8, offset=4 * (1 + dimensions))
    if header[0] != magic or body.size != np.prod(sizes):
        raise ValueError(f"{path} is not an IDX file of kind {magic}, or it is cut short")
    return body.reshape(sizes).copy()


def _read_image_folder(folder: Path, names: tuple[str, ...]) -> Split:
    from PIL import Image

    images, labels = [], []
    for label, name in enumerate(names):
        for path in sorted((folder / name).glob("*.png")):
            with Image.open(path) as picture:
                pixels = np.atleast_3d(np.asarray(picture.convert("RGB"), dtype=np.uint8))
            images.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1))
            labels.append(label)
    if not images:
        raise ValueError(f"{folder} holds no CLASS/*.png")
    if len({tuple(image.shape) for image in images}) > 1:
        raise ValueError(f"{folder} holds pictures of several sizes: make them equal")
    return Split(torch.stack(images), torch.tensor(labels))
