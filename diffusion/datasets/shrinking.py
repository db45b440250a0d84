"""Smaller pictures: framed in black, then blocks of pixels averaged."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from diffusion.datasets.splits import Dataset, Split


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
