"""The lockstep sampler beside diffusers' own pipeline, on a Stable Diffusion of random weights.

    python -m benchmarks.latent_steps [--size small|sd15] [--torch-device cpu|cuda]

In one process, in turn: diffusers' pipeline at constant guidance, which decodes its pictures at the
end; the sampler here, with a scale of its own for each picture; and the whole environment, with
state, proxy and reward. Image-steps per second, and ratios to the pipeline's. `small` is a quarter
of Stable Diffusion 1.5's width at 128 x 128, for processors; `sd15` its real size, in half
precision, for GPUs. Written to latent_steps.json, by size and device.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from benchmarks.timing import significant, write_result
from diffusion.bundle import load_bundle
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.episodes import play
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.preview import Preview
from diffusion.latent.prompts import PromptEmbeddings
from diffusion.noise_schedule import NoiseSchedule
from diffusion.sampler import GuidedSampler
from tests.tiny_model import tiny_pipeline

SIZES = {"small": (4, 128, 3, 5, (1, 4)), "sd15": (1, 512, 20, 5, (8, 16))}
"""Width divided by, side, steps, rounds, batches."""
GUIDANCE = 5.0
SCHEDULE = NoiseSchedule(1000, "scaled_linear", 0.00085, 0.012, 1, set_alpha_to_one=False)


def networks(divided_by: int, side: int, dtype: torch.dtype) -> tuple[Any, Any]:
    """UNet and autoencoder of random weights."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=side // 8,
        block_out_channels=tuple(width // divided_by for width in (320, 640, 1280, 1280)),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=16,
    )
    vae = AutoencoderKL(
        block_out_channels=tuple(width // divided_by for width in (128, 256, 512, 512)),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=side,
    )
    return torch.nn.Module.to(unet, dtype).eval(), torch.nn.Module.to(vae, dtype).eval()


def ways(size: str, batch: int, device: torch.device) -> dict[str, Callable[[], object]]:
    """What is timed, by name; each makes `batch` pictures."""
    divided_by, side, steps, _, _ = SIZES[size]
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    unet, vae = (each.to(device) for each in networks(divided_by, side, dtype))
    with tempfile.TemporaryDirectory() as folder:
        pipeline = tiny_pipeline(Path(folder) / "tokens")
    pipeline.register_modules(unet=unet, vae=vae)
    pipeline.scheduler = DDIMScheduler(**SCHEDULE.record, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    prompts = PromptEmbeddings(torch.randn(10, 16, 32), torch.randn(1, 16, 32))
    preview = Preview(0.1 * torch.randn(3, 5))
    denoiser = LatentDenoiser(unet, vae, prompts, "epsilon", Frame(1, 16), preview, side, batch).to(
        device
    )
    sampler = GuidedSampler(denoiser, steps, SCHEDULE, clip_sample=False)
    bundle = load_bundle()
    environment = GuidanceEnvironment(
        sampler, bundle.proxy.to(device), bundle.card.reward, GUIDANCE
    )
    latents, labels = draw_latents(batch, 0, denoiser.sample_shape), draw_labels(batch, 10)
    text = prompts.conditional[labels].to(device, dtype)
    nothing = prompts.unconditional.expand(batch, -1, -1).to(device, dtype)

    def theirs() -> object:
        return pipeline(
            prompt_embeds=text,
            negative_prompt_embeds=nothing,
            latents=latents.to(device, dtype),
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            output_type="pt",
        )

    def ours() -> Tensor:
        scales = torch.full((steps, batch), GUIDANCE)
        return denoiser.render(sampler.sample(latents.to(device), labels.to(device), scales))

    return {
        "diffusers' pipeline": theirs,
        "the sampler": ours,
        "the environment": lambda: play(
            environment, latents, labels, lambda _step, state: 0 * state[:, 0], batch
        ),
    }


def timed(way: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    with torch.no_grad():
        way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measured(size: str, batch: int, device: torch.device) -> dict[str, float]:
    """Image-steps per second of every way, and its ratio to diffusers' pipeline."""
    _, _, steps, rounds, _ = SIZES[size]
    seconds: dict[str, list[float]] = {}
    candidates = ways(size, batch, device)
    for way in candidates.values():
        timed(way, device)
    for _ in range(rounds):
        for name, way in candidates.items():
            seconds.setdefault(name, []).append(timed(way, device))
    median = {name: statistics.median(each) for name, each in seconds.items()}
    theirs = median["diffusers' pipeline"]
    rates = {name: significant(batch * steps / each) for name, each in median.items()}
    ratios = {
        f"{name} / diffusers' pipeline": significant(theirs / each)
        for name, each in median.items()
        if each != theirs
    }
    return {**rates, **ratios}


def main() -> None:
    """Measure one size on one device, beside what was measured before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--torch-device", default="cpu")
    arguments = parser.parse_args()
    device, path = torch.device(arguments.torch_device), Path(__file__).with_suffix(".json")
    torch.set_num_threads(1)
    before = json.loads(path.read_text()) if path.exists() else {}
    found = {
        f"batch {batch}": measured(arguments.size, batch, device)
        for batch in SIZES[arguments.size][-1]
    }
    write_result(__file__, {**before, f"{arguments.size}, {device.type}": found})


if __name__ == "__main__":
    main()
