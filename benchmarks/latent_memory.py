"""What a forward of Stable Diffusion 1.5 needs of memory: counted, and measured.

    python -m benchmarks.latent_memory

Counted at its real size by `diffusion.latent.memory`, which builds the networks without weights.
Measured on a UNet of half its width in fp32, with random weights: by how much one forward raises
the process's largest resident memory, in a process of its own for each batch; weights, and what
was counted with its margin, beside it. Written to latent_memory.json.
"""

from __future__ import annotations

import multiprocessing
import resource
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from benchmarks.timing import significant, write_result
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.memory import FORWARD_MARGIN, GIGABYTE, WEIGHTS_MARGIN, memory_need
from diffusion.latent.prompts import PromptEmbeddings

BATCHES, MEASURED = (1, 2, 4, 8, 16), (1, 2, 4, 8)
WIDTHS = (320, 640, 1280, 1280)
SIDE = 512


def unet(divided_by: int) -> UNet2DConditionModel:
    """Stable Diffusion 1.5's UNet, or one that many times narrower."""
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        block_out_channels=tuple(width // divided_by for width in WIDTHS),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=768,
        attention_head_dim=8,
    ).eval()


def autoencoder() -> AutoencoderKL:
    """Stable Diffusion's."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=SIDE,
    ).eval()


def hollow(divided_by: int, dtype: torch.dtype) -> LatentDenoiser:
    """The model without weights."""
    with torch.device("meta"):
        network, vae = (
            torch.nn.Module.to(each, dtype) for each in (unet(divided_by), autoencoder())
        )
    prompts = PromptEmbeddings(torch.zeros(10, 77, 768), torch.zeros(1, 77, 768))
    return LatentDenoiser(network, vae, prompts, "epsilon", Frame(3, 32))


def counted() -> dict[str, Any]:
    """Gigabytes by batch, in half precision."""
    denoiser = hollow(1, torch.float16)
    found = {}
    for batch in BATCHES:
        need = memory_need(denoiser, batch)
        parts = {"weights": need.weights, "prediction": need.prediction, "decoding": need.decoding}
        found[str(batch)] = {
            name: significant(size / GIGABYTE)
            for name, size in {**parts, "total": need.total}.items()
        }
    return found


def rise(batch: int) -> float:
    """By how many gigabytes one forward raises the largest resident memory."""
    torch.set_num_threads(1)
    network = unet(2)
    latents, text = torch.randn(2 * batch, 4, 64, 64), torch.randn(2 * batch, 77, 768)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.no_grad():
        network(latents, 500, encoder_hidden_states=text)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / GIGABYTE


def main() -> None:
    """Count, measure, write."""
    denoiser = hollow(2, torch.float32)
    weights = sum(4 * each.numel() for each in denoiser.unet.parameters()) / GIGABYTE
    measured = {}
    for batch in MEASURED:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            grown = pool.apply(rise, (batch,))
        expected = memory_need(denoiser, batch).prediction / GIGABYTE
        measured[str(batch)] = {
            "weights": significant(weights),
            "counted": significant(expected),
            "measured": significant(grown),
            "weights and measured, of what is asked for": significant(
                (weights + grown) / (WEIGHTS_MARGIN * weights + FORWARD_MARGIN * expected)
            ),
        }
    write_result(
        __file__,
        {
            "Stable Diffusion 1.5, 512 x 512, fp16, GB by batch": counted(),
            "a UNet of half its width, fp32, one forward, GB by batch": measured,
        },
    )


if __name__ == "__main__":
    main()
