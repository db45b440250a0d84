"""Stable Diffusion behind the `Denoiser` contract: a class is a prompt."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diffusion.latent.checkpoint import Checkpoint, ModelError, require_all_weights
from diffusion.latent.frame import Frame
from diffusion.latent.preview import Preview
from diffusion.latent.prompts import PromptEmbeddings

LatentPrecision = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[LatentPrecision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
DECODED_PIXELS = 1 << 20
"""How many pixels the autoencoder makes at once: four pictures of 512 x 512."""


class LatentDenoiser(nn.Module):
    """A frozen UNet with the embeddings of its prompts, and the autoencoder of its latents.

    Latents, predictions and pictures are fp32; what lies between has the networks' own precision.

    Args:
        unet: A `UNet2DConditionModel`.
        vae: An `AutoencoderKL`.
        prompts: Of the classes.
        prediction_type: What the UNet predicts.
        frame: How classifiers look at its pictures.
        preview: Cheap pictures between the steps; without it the autoencoder makes these, too.
        side: Height and width of its pictures in pixels; by default those it was trained on.
        batch: Pictures in one forward; more are made in turn, so that memory does not grow.

    Attributes:
        num_classes: K, one per prompt.
        sample_shape: (C, h, w) of the latents.
        prediction_type: As given.
        frame: As given.

    Raises:
        ValueError: If the prompts were encoded for another UNet, or the side does not fit.
    """

    conditional: Tensor
    unconditional: Tensor

    def __init__(
        self,
        unet: Any,
        vae: Any,
        prompts: PromptEmbeddings,
        prediction_type: str,
        frame: Frame,
        preview: Preview | None = None,
        side: int | None = None,
        batch: int = 8,
    ) -> None:
        super().__init__()
        wide, wanted = prompts.conditional.shape[-1], unet.config.cross_attention_dim
        if wide != wanted:
            raise ValueError(f"prompts of {wide} numbers a token, and the UNet reads {wanted}")
        self.unet: Any = unet.eval().requires_grad_(False)
        self.vae: Any = vae.eval().requires_grad_(False)
        self.register_buffer("conditional", prompts.conditional)
        self.register_buffer("unconditional", prompts.unconditional)
        self.prediction_type, self.frame, self.preview_map = prediction_type, frame, preview
        self.num_classes, self.batch = len(prompts.conditional), batch
        scale = 2 ** (len(vae.config.block_out_channels) - 1)
        self.side = side or scale * int(unet.config.sample_size)
        smallest = scale * 2 ** (len(unet.config.block_out_channels) - 1)
        if self.side % smallest:
            raise ValueError(f"pictures of {self.side} pixels: take a multiple of {smallest}")
        self.sample_shape = (int(unet.config.in_channels), self.side // scale, self.side // scale)

    @classmethod
    def load(
        cls,
        checkpoint: Checkpoint,
        prompts: PromptEmbeddings,
        frame: Frame,
        preview: Preview | None = None,
        *,
        prediction_type: str | None = None,
        side: int | None = None,
        precision: LatentPrecision = "fp32",
        batch: int = 8,
    ) -> Self:
        """Read a model's networks.

        Args:
            checkpoint: Where they lie.
            prompts: Of the classes, as its text encoder gave them.
            frame: How classifiers look at its pictures.
            preview: Fitted to it.
            prediction_type: What the UNet predicts; None for what its scheduler says.
            side: Of its pictures in pixels.
            precision: What the networks compute with.
            batch: Pictures in one forward.

        Raises:
            ModelError: If a file is damaged.
            ValueError: If what was given does not fit.
        """
        from diffusers import AutoencoderKL, UNet2DConditionModel

        unet = _network(UNet2DConditionModel, checkpoint, "unet", precision)
        vae = _network(AutoencoderKL, checkpoint, "vae", precision)
        kind = prediction_type or checkpoint.prediction_type
        return cls(unet, vae, prompts, kind, frame, preview, side, batch)

    @property
    def precision(self) -> LatentPrecision:
        """What its networks compute with."""
        return next(name for name, kind in DTYPES.items() if kind == self.unet.dtype)

    def predict(self, latents: Tensor, timestep: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Unconditional and conditional prediction, each (N, C, h, w), one forward a batch."""
        parts = zip(latents.split(self.batch), labels.split(self.batch), strict=True)
        pairs = [self._predict(some, timestep, theirs) for some, theirs in parts]
        return torch.cat([uncond for uncond, _ in pairs]), torch.cat([cond for _, cond in pairs])

    @torch.no_grad()
    def _predict(self, latents: Tensor, timestep: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([latents, latents]).to(self.unet.dtype)
        unconditional = self.unconditional.expand(len(labels), -1, -1)
        text = torch.cat([unconditional, self.conditional[labels]]).to(self.unet.dtype)
        noise = self.unet(both, timestep, encoder_hidden_states=text, return_dict=False)[0]
        uncond, cond = noise.float().chunk(2)
        return uncond, cond

    @torch.no_grad()
    def render(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, side, side) in [0, 1] of clean latents, as the model makes them."""
        parts = latents.to(self.vae.dtype).split(self.decoded_at_once(self.batch))
        scale = self.vae.config.scaling_factor
        pixels = [self.vae.decode(part / scale, return_dict=False)[0].float() for part in parts]
        return (torch.cat(pixels) / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (N, c, h, w) in [0, 1] of clean latents, as classifiers look at them."""
        parts = latents.split(self.decoded_at_once(self.batch))
        return torch.cat([self.frame.look(self.render(part)) for part in parts])

    @torch.no_grad()
    def preview(self, latents: Tensor) -> Tensor:
        """What `decode` gives, about; cheap where a map was fitted."""
        if self.preview_map is None:
            return self.decode(latents)
        return self.frame.look(self.preview_map.look(latents))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Clean latents (N, C, h, w) of pictures (N, 3, side, side) in [0, 1]: the mode."""
        given = (2 * images - 1).to(self.vae.dtype)
        mode: Tensor = self.vae.encode(given).latent_dist.mode().float()
        return mode * float(self.vae.config.scaling_factor)

    def decoded_at_once(self, batch: int) -> int:
        """How many pictures the autoencoder makes in one forward, where the UNet takes `batch`."""
        return max(1, min(batch, DECODED_PIXELS // self.side**2))


def _network(kind: Any, checkpoint: Checkpoint, part: str, precision: LatentPrecision) -> Any:
    try:
        network, loaded = kind.from_pretrained(
            checkpoint.folder,
            subfolder=part,
            variant=checkpoint.variants[part],
            torch_dtype=DTYPES[precision],
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{checkpoint.folder}: the {part} cannot be read: {error}") from error
    require_all_weights(checkpoint.folder, part, loaded)
    return network
