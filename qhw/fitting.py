"""`qhw fit`: make a bundle from a data set on disk, and say what came out."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from diffusion.datasets import load_dataset
from diffusion.fitting import FitConfig, fit_bundle
from qhw.errors import BundleError, DataError


def fit_and_report(dataset: str, data: Path, out: Path, *, minutes: float, seed: int) -> None:
    """Fit and print the card's main facts.

    Raises:
        DataError: If the data set is missing or damaged.
        BundleError: If the result is not good enough to be used.
    """
    torch.set_num_threads(1)
    console = Console()
    try:
        loaded = load_dataset(dataset, data)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(str(error), "`qhw fit --help` names the data sets.") from error
    config = FitConfig(denoiser_minutes=minutes, classifier_minutes=minutes / 4, seed=seed)
    try:
        card = fit_bundle(loaded, out, config, console.print)
    except ValueError as error:
        raise BundleError(
            str(error), "Repeat the command with more --minutes and another --out."
        ) from error
    console.print(f"bundle: {out}; CFG_0 = {card.cfg_base:g}; accuracies {card.accuracies}")
