"""The classical half: pictures, and the guidance that steers their making.

Each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusion.bundle import Bundle, BundleCard, load_bundle
    from diffusion.classifiers import Classifier
    from diffusion.comparison import Interval, ScoredArm, compare_at_equal_accuracy
    from diffusion.datasets import Dataset, load_dataset
    from diffusion.denoisers import Denoiser, PixelDenoiser, PixelDenoiserConfig
    from diffusion.environment import GuidanceEnvironment, StepResult, draw_labels, draw_latents
    from diffusion.episodes import Episode, play, play_schedule
    from diffusion.fitting import FitConfig, fit_bundle
    from diffusion.headroom import Candidate, play_candidate
    from diffusion.lpips_distance import LpipsDistance
    from diffusion.metrics import (
        GaussianReference,
        diversity,
        frechet_distance,
        kernel_distance,
        psnr,
        ssim,
    )
    from diffusion.rewards import PAPER_REWARD, RewardConfig
    from diffusion.sampler import GuidedSampler
    from diffusion.schedules import baseline_schedules

__all__ = [
    "PAPER_REWARD",
    "Bundle",
    "BundleCard",
    "Candidate",
    "Classifier",
    "Dataset",
    "Denoiser",
    "Episode",
    "FitConfig",
    "GaussianReference",
    "GuidanceEnvironment",
    "GuidedSampler",
    "Interval",
    "LpipsDistance",
    "PixelDenoiser",
    "PixelDenoiserConfig",
    "RewardConfig",
    "ScoredArm",
    "StepResult",
    "baseline_schedules",
    "compare_at_equal_accuracy",
    "diversity",
    "draw_labels",
    "draw_latents",
    "fit_bundle",
    "frechet_distance",
    "kernel_distance",
    "load_bundle",
    "load_dataset",
    "play",
    "play_candidate",
    "play_schedule",
    "psnr",
    "ssim",
]

_NAMES = {
    "bundle": "Bundle BundleCard load_bundle",
    "classifiers": "Classifier",
    "comparison": "Interval ScoredArm compare_at_equal_accuracy",
    "datasets": "Dataset load_dataset",
    "denoisers": "Denoiser PixelDenoiser PixelDenoiserConfig",
    "environment": "GuidanceEnvironment StepResult draw_labels draw_latents",
    "episodes": "Episode play play_schedule",
    "fitting": "FitConfig fit_bundle",
    "headroom": "Candidate play_candidate",
    "lpips_distance": "LpipsDistance",
    "metrics": "GaussianReference diversity frechet_distance kernel_distance psnr ssim",
    "rewards": "PAPER_REWARD RewardConfig",
    "sampler": "GuidedSampler",
    "schedules": "baseline_schedules",
}


def __getattr__(name: str) -> object:
    """Import a name of the face."""
    for module, names in _NAMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
