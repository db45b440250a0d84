"""Cheap pictures of latents: one linear map from a latent's channels to colours.

An autoencoder's latents are nearly linear in the colours below them. The map, fitted by least
squares to what the decoder itself made, costs next to nothing, so that the proxy may look at every
step; the picture that an episode ends with is always the decoder's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class Preview:
    """Colours from latents.

    Attributes:
        weights: (3, C + 1); the last column is added.
    """

    weights: Tensor

    @classmethod
    def fit(cls, latents: Tensor, pictures: Tensor) -> Self:
        """Least squares over every position.

        Args:
            latents: (N, C, h, w), clean.
            pictures: (N, 3, H, W) in [0, 1] that the decoder made of them.

        Raises:
            ValueError: If there are fewer positions than numbers to fit.
        """
        rows, colours = _with_ones(latents), _at_latents(pictures, latents)
        if len(rows) < rows.shape[1]:
            raise ValueError(f"{len(rows)} positions do not fit {rows.shape[1]} weights")
        return cls(torch.linalg.lstsq(rows, colours).solution.T.contiguous())

    def look(self, latents: Tensor) -> Tensor:
        """Colours (N, 3, h, w) in [0, 1] of clean latents (N, C, h, w), at their size."""
        weights = self.weights.to(latents)
        colours = torch.einsum("kc,nchw->nkhw", weights[:, :-1], latents)
        return (colours + weights[:, -1, None, None]).clamp(0, 1)

    def explained(self, latents: Tensor, pictures: Tensor) -> float:
        """Share of the pictures' variance that it explains, at the latents' size; at most 1."""
        wanted = _at_latents(pictures, latents)
        found = self.look(latents).permute(0, 2, 3, 1).reshape(-1, 3)
        left = (wanted - found).square().sum()
        return float(1 - left / (wanted - wanted.mean(dim=0)).square().sum())


def _with_ones(latents: Tensor) -> Tensor:
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


def _at_latents(pictures: Tensor, latents: Tensor) -> Tensor:
    smaller = interpolate(pictures, size=latents.shape[-2:], mode="area")
    return smaller.permute(0, 2, 3, 1).reshape(-1, 3)
