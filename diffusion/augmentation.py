"""How training pictures are varied, each by itself, with draws that a seed repeats."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

STRONGEST_NOISE = 0.05


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures (N, c, h, w), drawn, left to right."""
    chosen = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def shifted(images: Tensor, reach: int, generator: torch.Generator, frame: str) -> Tensor:
    """Pictures (N, c, h, h), each moved by a draw of up to so many pixels.

    Args:
        images: Pictures.
        reach: Pixels, in both directions.
        generator: Draws the distances.
        frame: What comes in from outside, as `torch.nn.functional.pad` names it: `constant` is
            black, `reflect` the picture itself.
    """
    count, side = len(images), images.shape[-1]
    down, across = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=generator)
    rows, columns = down + torch.arange(side), across + torch.arange(side)
    framed = functional.pad(images, (reach,) * 4, mode=frame)
    picture = torch.arange(count)[:, None, None]
    moved = framed.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def noised(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (N, c, h, w) in [0, 1] with Gaussian noise of a drawn strength."""
    strength = STRONGEST_NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (images + strength * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def cut_out(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (N, c, h, h) with a grey square of a quarter of the side, at a drawn place.

    DeVries and Taylor, arXiv 1708.04552.
    """
    count, side = len(images), images.shape[-1]
    reach = side // 4
    first = torch.randint(0, side - reach + 1, (2, count, 1), generator=generator)
    along = torch.arange(side)
    down, across = (first <= along) & (along < first + reach)
    return torch.where((down[:, :, None] & across[:, None, :])[:, None], 0.5, images)
