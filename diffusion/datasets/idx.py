"""Fashion-MNIST from its IDX files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion.datasets.splits import Dataset, Split

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
