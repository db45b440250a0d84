"""Pictures as networks of others were trained to see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def prepare(
    images: Tensor,
    side: int,
    mean: Sequence[float],
    deviation: Sequence[float],
    mode: Literal["bilinear", "bicubic"],
) -> Tensor:
    """Pictures (N, 3, side, side), normalised by channel.

    Args:
        images: (N, 1 or 3, h, w) in [0, 1].
        side: What the network takes.
        mean: Of the three channels in its training.
        deviation: Likewise.
        mode: How pictures of other sizes are resampled, antialiased.
    """
    coloured = images.expand(-1, 3, -1, -1)
    if coloured.shape[-2:] != (side, side):
        coloured = interpolate(
            coloured, size=(side, side), mode=mode, align_corners=False, antialias=True
        ).clamp(0, 1)
    centre, spread = (
        torch.tensor(list(values), dtype=images.dtype, device=images.device)[:, None, None]
        for values in (mean, deviation)
    )
    return (coloured - centre) / spread
