"""Denoisers: what the sampler asks of a diffusion model, and the pixel model that ships."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional

from diffusion.precision import Precision, computes_in_bf16, computing_in
from diffusion.weights import Storage


class Denoiser(Protocol):
    """A conditional noise predictor and its map between latents and pictures."""

    num_classes: int
    sample_shape: tuple[int, int, int]
    prediction_type: str

    def predict(self, latents: Tensor, timestep: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Unconditional and conditional prediction, each (N, C, H, W), in one forward."""

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (N, c, h, w) in [0, 1] of clean latents, as classifiers look at them."""

    def render(self, latents: Tensor) -> Tensor:
        """Pictures (N, c, h, w) in [0, 1] to be shown, as large and coloured as they are made."""

    def preview(self, latents: Tensor) -> Tensor:
        """About what `decode` gives, for what is predicted between the steps; it may be cheaper."""

    def encode(self, images: Tensor) -> Tensor:
        """Clean latents of pictures (N, c, h, w) in [0, 1]."""


@dataclass(frozen=True)
class PixelDenoiserConfig:
    """Architecture of a `PixelDenoiser`.

    Attributes:
        image_channels: c of the pictures.
        image_size: Their height and width h, a multiple of patch x 2^(levels - 1).
        patch: Side of the squares that `pixel_unshuffle` turns into channels.
        num_classes: Classes; one more embedding is the null class.
        channels: Widths of the UNet's levels, each at half the resolution of the one before; all
            but the first have attention on the way down.
        prediction_type: What the UNet predicts. `v_prediction` (Salimans and Ho, arXiv 2202.00512)
            suits a narrow network on folded pixels: at high noise it need not reproduce the noise.
        storage: How its weights lie on disk (`diffusion.weights`).
        pictures: What pictures are made in where a device has it; fp32 everywhere else.
    """

    image_channels: int = 1
    image_size: int = 16
    patch: int = 2
    num_classes: int = 10
    channels: tuple[int, ...] = (32, 64)
    prediction_type: str = "v_prediction"
    storage: Storage = "fp16"
    pictures: Precision = "fp32"

    def __post_init__(self) -> None:
        smallest = self.patch * 2 ** (len(self.channels) - 1)
        if self.image_size % smallest:
            raise ValueError(
                f"image_size {self.image_size} and patch {self.patch} do not fit: take pictures "
                f"whose sides are a multiple of {smallest}"
            )

    @classmethod
    def of_pictures(cls, channels: int, size: int, num_classes: int) -> Self:
        """The architecture that is fitted to pictures (c, h, h).

        At equal CPU time fine folding with narrow layers learns more than coarse folding with wide
        ones; `benchmarks/denoisers.py` measures both. Larger pictures in colour take a network of
        7 million parameters, ten times those of grey ones: its weights are stored in eight bits,
        and pictures made in bf16.
        """
        patch = max(2, size // 16)
        if channels == 3 and size > 16:
            wide = (64, 128, 192)
            return cls(channels, size, patch, num_classes, wide, storage="int8", pictures="bf16")
        widths = (32, 64) if size // patch <= 8 else (24, 48)
        return cls(channels, size, patch, num_classes, widths)


class PixelDenoiser(nn.Module):
    """A class-conditional `UNet2DModel` on pixels folded into channels.

    `pixel_unshuffle` only permutes the pixels, so standard normal noise stays standard normal, and
    the UNet works on a grid `patch` times smaller.

    Attributes:
        precision: What `predict` computes with; `make_in` sets it.
    """

    def __init__(self, config: PixelDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.prediction_type = config.prediction_type
        self.precision: Precision = "fp32"
        grid = config.image_size // config.patch
        depth, levels = config.image_channels * config.patch**2, len(config.channels)
        self.sample_shape = (depth, grid, grid)
        self.unet = UNet2DModel(
            sample_size=grid,
            in_channels=depth,
            out_channels=depth,
            block_out_channels=config.channels,
            layers_per_block=1,
            down_block_types=("DownBlock2D", *["AttnDownBlock2D"] * (levels - 1)),
            up_block_types=("UpBlock2D",) * levels,
            num_class_embeds=config.num_classes + 1,
            norm_num_groups=8,
            attention_head_dim=16,
        )
        # A sixth faster than the default layout on a CPU at these widths.
        self.to(memory_format=torch.channels_last)

    def forward(self, latents: Tensor, timesteps: Tensor, labels: Tensor) -> Tensor:
        """Predict noise or v (N, C, H, W); label `num_classes` is the null class."""
        folded = latents.contiguous(memory_format=torch.channels_last)
        output: Tensor = self.unet(folded, timesteps, labels, return_dict=False)[0]
        return output

    def make_in(self, precision: Precision | None) -> None:
        """Make pictures in that precision, or in the config's where the device has it.

        Raises:
            ValueError: If bf16 is asked for by name, and the device has none.
        """
        device = self.unet.device
        has_it = precision == "fp32" or computes_in_bf16(device)
        if precision == "bf16" and not has_it:
            raise ValueError(
                f"this {device.type} computes nothing in bf16: it would be emulated, and many "
                "times slower than fp32"
            )
        self.precision = precision or (self.config.pictures if has_it else "fp32")

    @torch.no_grad()
    def predict(self, latents: Tensor, timestep: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Unconditional and conditional prediction, each (N, C, H, W), in one forward."""
        count = latents.shape[0]
        timesteps = torch.full((2 * count,), timestep, device=latents.device)
        null = torch.full_like(labels, self.num_classes)
        with computing_in(self.precision, latents.device):
            noise = self(torch.cat([latents, latents]), timesteps, torch.cat([null, labels]))
        uncond, cond = noise.float().chunk(2)
        return uncond, cond

    def encode(self, images: Tensor) -> Tensor:
        """Clean latents (N, C, H, W) in [-1, 1] of pictures (N, c, h, w) in [0, 1]."""
        return functional.pixel_unshuffle(2 * images - 1, self.config.patch)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (N, c, h, w) in [0, 1] of clean latents (N, C, H, W)."""
        pixels = functional.pixel_shuffle(latents, self.config.patch)
        return ((pixels + 1) / 2).clamp(0, 1)

    def render(self, latents: Tensor) -> Tensor:
        """The same: classifiers look at all there is."""
        return self.decode(latents)

    def preview(self, latents: Tensor) -> Tensor:
        """The same: nothing is cheaper than unfolding."""
        return self.decode(latents)

    def describe(self) -> dict[str, Any]:
        """The architecture as plain JSON; `from_description` reads it."""
        return {**asdict(self.config), "channels": list(self.config.channels)}

    @classmethod
    def from_description(cls, values: dict[str, Any]) -> Self:
        """Build the architecture, with random weights, from what `describe` gave."""
        return cls(PixelDenoiserConfig(**{**values, "channels": tuple(values["channels"])}))
