"""Pictures as classifiers look at them: shrunk to their size, grey if they see grey."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

LUMINANCE = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601), as Pillow has them."""


@dataclass(frozen=True)
class Frame:
    """Size and colour of what is looked at.

    Attributes:
        channels: 1 or 3.
        side: Height and width.
    """

    channels: int
    side: int

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or self.side < 1:
            raise ValueError(f"{self}: need 1 or 3 channels, and a side of at least 1")

    def look(self, pictures: Tensor) -> Tensor:
        """Pictures (N, channels, side, side) of coloured ones (N, 3, h, w) in [0, 1].

        Larger ones are averaged over areas, smaller ones enlarged, bilinear.
        """
        if self.channels == 1:
            shares = torch.tensor(LUMINANCE, dtype=pictures.dtype, device=pictures.device)
            pictures = (pictures * shares[:, None, None]).sum(dim=1, keepdim=True)
        if min(pictures.shape[-2:]) >= self.side:
            return interpolate(pictures, size=(self.side, self.side), mode="area")
        return interpolate(
            pictures, size=(self.side, self.side), mode="bilinear", align_corners=False
        )
