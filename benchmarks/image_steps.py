"""Image-steps per second: both noise predictions in one forward against two separate forwards.

    python benchmarks/image_steps.py [BUNDLE]

An image-step is one picture through one denoising step: the conditional and the unconditional
noise, and the proxy's answer. The two ways alternate in one process on one thread, so that what
else the machine does falls on both; times are CPU seconds, medians over rounds. The last result is
written to image_steps.json beside this script.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diffusion.bundle import Bundle, load_bundle
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.noise_schedule import NoiseSchedule
from diffusion.sampler import GuidedSampler

ROUNDS = 15
STEPS = 10


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def separately(bundle: Bundle, latents: Tensor, timestep: int, labels: Tensor) -> None:
    """What one forward replaces: the same network called once for each prediction."""
    times = torch.full_like(labels, timestep)
    for classes in (torch.full_like(labels, bundle.denoiser.num_classes), labels):
        with torch.no_grad():
            bundle.denoiser(latents, times, classes)


def episode(environment: GuidanceEnvironment, latents: Tensor, labels: Tensor) -> None:
    environment.reset(latents, labels)
    for _ in range(environment.num_steps):
        environment.step(torch.zeros(len(labels)))


def measure(bundle: Bundle, batch: int) -> dict[str, float]:
    """Time a batch; milliseconds of CPU per image-step."""
    latents = draw_latents(batch, 0, bundle.denoiser.sample_shape)
    labels = draw_labels(batch, bundle.denoiser.num_classes)
    card = bundle.card
    schedule = NoiseSchedule(card.num_train_timesteps, card.beta_schedule)
    sampler = GuidedSampler(bundle.denoiser, STEPS, schedule)
    environment = GuidanceEnvironment(sampler, bundle.proxy, card.reward, card.cfg_base)
    timestep = sampler.timesteps[STEPS // 2]
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "one forward": (lambda: bundle.denoiser.predict(latents, timestep, labels), 1),
        "two forwards": (lambda: separately(bundle, latents, timestep, labels), 1),
        "environment": (lambda: episode(environment, latents, labels), STEPS),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for name, (work, steps) in ways.items():
            seconds = cpu_seconds(work)
            if round_number:  # the first round warms up
                times[name].append(1000 * seconds / batch / steps)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    torch.set_num_threads(1)
    bundle = load_bundle(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    results = {}
    for batch in (8, 64):
        result = measure(bundle, batch)
        result["two / one"] = result["two forwards"] / result["one forward"]
        result["image-steps per second"] = 1000 / result["environment"]
        results[f"batch {batch}"] = {name: round(value, 3) for name, value in result.items()}
        print(f"batch {batch}, ms of CPU per image-step:", results[f"batch {batch}"])
    report = {"torch": torch.__version__, "threads": 1, "steps": STEPS, **results}
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
