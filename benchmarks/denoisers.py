"""Architectures of a denoiser: what a picture costs, and what is learned in equal CPU time.

    python -m benchmarks.denoisers DIR

DIR holds Fashion-MNIST. The cost of a picture's step, both predictions, is measured first, all
architectures taking turns. Then two are fitted, with the rates and the loss of `qhw fit`, for
`SECONDS` CPU-seconds each, and asked for the loss on test pictures: fine folding with narrow layers
against coarse folding with wide ones, on pictures framed to 32 x 32, which both can fold. One
thread. The last result is written to denoisers.json beside this script.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.timing import interleaved, significant, write_result
from diffusion.datasets import Dataset, load_dataset, shrink
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.fitting import DENOISER_RATE, denoising_loss, follow
from diffusion.optimisation import Budget, Recipe, run_training

SECONDS = 100.0
BATCH, ROUNDS, HELD_OUT_BATCHES = 64, 7, 32
EMBEDDED = PixelDenoiserConfig()
"""The 16 x 16 bundle's, as a yardstick of the machine."""
FITTED = [
    PixelDenoiserConfig(image_size=32, patch=2, channels=(24, 48)),
    PixelDenoiserConfig(image_size=32, patch=4, channels=(48, 96)),
]
TIMED = [
    EMBEDDED,
    PixelDenoiserConfig.of_pictures(1, 28, 10),
    PixelDenoiserConfig(image_size=28, patch=2, channels=(32, 64)),
    *FITTED,
    PixelDenoiserConfig(image_size=32, patch=4, channels=(64, 128)),
]


def name_of(config: PixelDenoiserConfig) -> str:
    size, grid = config.image_size, config.image_size // config.patch
    return f"{size} x {size} on {grid} x {grid}, widths {config.channels}"


def costs() -> dict[str, float]:
    """CPU-milliseconds of one picture's step in a batch."""
    peers = {}
    for config in TIMED:
        model = PixelDenoiser(config).eval()
        latents = torch.randn(BATCH, *model.sample_shape)
        labels = torch.zeros(BATCH, dtype=torch.long)
        peers[name_of(config)] = lambda m=model, x=latents, y=labels: m.predict(x, 500, y)
    times = interleaved(peers, ROUNDS)
    return {name: significant(1000 * seconds / BATCH) for name, seconds in times.items()}


def learned(config: PixelDenoiserConfig, data: Dataset) -> dict[str, float]:
    """Fit for `SECONDS`; steps taken, and the mean loss on test pictures."""
    torch.manual_seed(0)
    model = PixelDenoiser(config)
    average = copy.deepcopy(model).eval()
    recipe = Recipe("x", DENOISER_RATE, 1e-4, Budget(SECONDS), 0)
    steps = []

    def after(step: int) -> None:
        follow(average, model, step)
        steps.append(step)

    with tempfile.TemporaryDirectory() as work:
        loss = denoising_loss(model, data.train)
        run_training(recipe, {"model": model}, loss, after, Path(work), print)
    held_out, generator = denoising_loss(average, data.test), torch.Generator().manual_seed(1)
    with torch.no_grad():
        losses = [float(held_out(generator)) for _ in range(HELD_OUT_BATCHES)]
    return {"steps": len(steps), "test loss": significant(sum(losses) / len(losses))}


def main() -> None:
    torch.set_num_threads(1)
    data = shrink(load_dataset("fashion-mnist", Path(sys.argv[1])), 32)
    milliseconds = costs()
    fitted = {name_of(config): learned(config, data) for config in FITTED}
    write_result(
        __file__,
        {
            "torch": torch.__version__,
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "batch": BATCH,
            "CPU-ms of a picture's step": milliseconds,
            "CPU-seconds of the fits": SECONDS,
            "fitted": fitted,
        },
    )


if __name__ == "__main__":
    main()
