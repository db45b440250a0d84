"""The classical half: pictures, and the guidance that steers their making.

Each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusion.assembling import FitConfig
    from diffusion.bundle import Bundle, load_bundle
    from diffusion.datasets import load_dataset
    from diffusion.denoisers import Denoiser
    from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
    from diffusion.episodes import Episode, play, play_schedule
    from diffusion.fitting import fit_bundle
    from diffusion.lpips_distance import LpipsDistance
    from diffusion.metrics import diversity, frechet_distance, kernel_distance, psnr, ssim
    from diffusion.rewards import PAPER_REWARD, RewardConfig
    from diffusion.sampler import GuidedSampler
    from diffusion.schedules import baseline_schedules
    from diffusion.solvers import Ddim, DpmSolver

__all__ = [
    "PAPER_REWARD",
    "Bundle",
    "Ddim",
    "Denoiser",
    "DpmSolver",
    "Episode",
    "FitConfig",
    "GuidanceEnvironment",
    "GuidedSampler",
    "LpipsDistance",
    "RewardConfig",
    "baseline_schedules",
    "diversity",
    "draw_labels",
    "draw_latents",
    "fit_bundle",
    "frechet_distance",
    "kernel_distance",
    "load_bundle",
    "load_dataset",
    "play",
    "play_schedule",
    "psnr",
    "ssim",
]

_NAMES = {
    "assembling": "FitConfig",
    "bundle": "Bundle load_bundle",
    "datasets": "load_dataset",
    "denoisers": "Denoiser",
    "environment": "GuidanceEnvironment draw_labels draw_latents",
    "episodes": "Episode play play_schedule",
    "fitting": "fit_bundle",
    "lpips_distance": "LpipsDistance",
    "metrics": "diversity frechet_distance kernel_distance psnr ssim",
    "rewards": "PAPER_REWARD RewardConfig",
    "sampler": "GuidedSampler",
    "schedules": "baseline_schedules",
    "solvers": "Ddim DpmSolver",
}


def __getattr__(name: str) -> object:
    """Import a name of the face."""
    for module, names in _NAMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
