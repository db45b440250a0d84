"""`qhw fit` makes a bundle from a data set on disk, `qhw remeasure` chooses its reward anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from diffusion.assembling import CPU, FitConfig, assemble_again, require_same_data
from diffusion.bundle import Bundle, BundleCard, load_bundle, read_card
from diffusion.datasets import Dataset, load_dataset
from diffusion.discriminating import fit_discriminator
from diffusion.environment import GuidanceEnvironment
from diffusion.fitting import fit_bundle, require_start
from diffusion.precision import Precision
from diffusion.references import Kept
from qhw.errors import BundleError, ConfigError, DataError, OutputError
from qhw.evaluation.baselines import FOLDER, Baselines
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.files import make_folder, writing
from qhw.threads import for_pictures, one_thread
from qhw.training.parts import choose_torch_device, open_bundle

DENOISER_SHARE = 25 / 34
"""Of the minutes; the three classifiers share the rest."""
MINUTES = 68.0
SHIPPED_LATENTS = (500, 2000)
"""Numbers of latents whose baselines come with a bundle: those of `train` and of `evaluate`."""


@one_thread()
def fit_and_report(
    dataset: str,
    data: Path,
    out: Path,
    *,
    resolution: int,
    minutes: float | None,
    pictures: int | None,
    accuracy: float,
    latents: int,
    precision: Precision,
    torch_device: str,
    references: Kept,
    start_from: str | None,
    mirror: bool,
    seed: int,
) -> None:
    """Fit, play the baselines, and print the card's main facts.

    Args:
        dataset: Name of the data set.
        data: Its folder.
        out: The bundle's folder.
        resolution: Height and width of the bundle's pictures.
        minutes: Of all training together: CPU-minutes, or minutes of a GPU; None is `MINUTES`.
        pictures: How many the denoiser sees, instead of minutes; each classifier sees a third.
        accuracy: Test accuracy that every classifier must reach.
        latents: Of the head-room table.
        precision: What is computed with in training.
        torch_device: Where networks are trained: `auto`, `cpu` or `cuda`.
        references: What of the real pictures stays in the bundle.
        start_from: A bundle whose denoiser is trained further.
        mirror: Whether the denoiser sees half of the pictures mirrored.
        seed: Of everything random.

    Raises:
        ConfigError: If there is no such device, or minutes and pictures are both given.
        DataError: If the data set is missing or damaged.
        BundleError: If the result is not good enough to be used.
        OutputError: If the bundle cannot be written.
    """
    if minutes is not None and pictures is not None:
        raise ConfigError(
            f"--minutes {minutes:g} and --pictures {pictures} both say when training ends.",
            "Give one of them.",
        )
    console, minutes = Console(), minutes or MINUTES
    device = choose_torch_device(torch_device)
    config = FitConfig(
        image_size=resolution,
        denoiser_minutes=minutes * (1 if start_from else DENOISER_SHARE),
        classifier_minutes=0 if start_from else minutes * (1 - DENOISER_SHARE) / 3,
        denoiser_pictures=pictures,
        classifier_pictures=None if pictures is None else pictures // 3,
        headroom_latents=latents,
        precision=precision,
        accuracy=accuracy,
        seed=seed,
        references=references,
        mirror=mirror,
    )
    start = open_bundle(start_from) if start_from else None
    if start is not None and start.folder.resolve() == out.resolve():
        raise ConfigError(
            f"--start-from {start_from} is what --out {out} would write over.",
            "Name another --out.",
        )
    loaded = load_pictures(dataset, data, resolution, seed)
    if start is not None:
        _refuse_start(start, loaded, config)
    make_folder(out)
    with writing(out), weights_written(out):
        try:
            card = fit_bundle(loaded, out, config, console.print, device, start)
        except ValueError as error:
            raise BundleError(
                str(error), "Repeat the command with more --minutes, or another --out."
            ) from error
    _finish(loaded, out, card, console, device)


@one_thread()
def measure_again(dataset: str, data: Path, bundle: Path, *, latents: int) -> None:
    """Measure a bundle's networks again, choose reward and CFG_0 again, and play the baselines.

    Args:
        dataset: Name of the data set that it was fitted to.
        data: Its folder.
        bundle: The bundle's folder; its weights stay.
        latents: Latents of the head-room table.

    Raises:
        DataError: If the data set is missing or damaged.
        BundleError: If the folder holds no intact bundle of these data, or it leaves no choice.
        OutputError: If the bundle cannot be written.
    """
    console = Console()
    loaded = _load_again(dataset, data, bundle)
    with writing(bundle), weights_written(bundle):
        try:
            card = assemble_again(loaded, bundle, latents, console.print)
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            raise BundleError(str(error), "`qhw fit` makes a bundle.") from error
    _finish(loaded, bundle, card, console, CPU)


@one_thread()
def fit_discriminator_again(dataset: str, data: Path, bundle: Path) -> None:
    """Fit the discriminator of a bundle, and nothing else of it.

    Args:
        dataset: Name of the data set that the bundle was fitted to.
        data: Its folder.
        bundle: The bundle's folder.

    Raises:
        DataError: If the data set is missing or damaged.
        BundleError: If the folder holds no intact bundle of these data.
        OutputError: If it cannot be written.
    """
    loaded = _load_again(dataset, data, bundle)
    try:
        opened = load_bundle(bundle)
        require_same_data(opened.card, loaded)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise BundleError(str(error), "`qhw fit` makes a bundle.") from error
    with writing(bundle), weights_written(bundle):
        fit_discriminator(loaded, opened, Console().print)


@contextmanager
def weights_written(folder: Path) -> Iterator[None]:
    """Weights are written by a library that has an error of its own for a full disk."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise OutputError(
            f"{folder} cannot be written: {error}.", "Free some space, or name another folder."
        ) from error


def _refuse_start(start: Bundle, loaded: Dataset, config: FitConfig) -> None:
    try:
        require_start(start, loaded, config)
    except ValueError as error:
        raise BundleError(
            f"--start-from: {error}.",
            "Name a bundle of these data and this --resolution, with an --accuracy that its "
            "classifiers reach; or leave it out.",
        ) from error


def load_pictures(dataset: str, data: Path, resolution: int | None, seed: int) -> Dataset:
    """Read a data set, `images` in the side that is given.

    Raises:
        DataError: If it is missing or damaged.
    """
    try:
        return load_dataset(dataset, data, resolution, seed)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(str(error), "`qhw fit --help` names the data sets.") from error


def _load_again(dataset: str, data: Path, bundle: Path) -> Dataset:
    """The data set of a bundle, in its size and with its choice of test pictures."""
    try:
        card = read_card(bundle)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise BundleError(str(error), "`qhw fit` makes a bundle.") from error
    if card.is_latent:
        raise BundleError(
            f"{bundle} names a text-prompted model: nothing of it was fitted to a data set.",
            "`qhw models calibrate` measures such a model again.",
        )
    return load_pictures(dataset, data, card.denoiser["image_size"], card.made["config"]["seed"])


def _finish(
    dataset: Dataset, folder: Path, card: BundleCard, console: Console, device: torch.device
) -> None:
    with writing(folder), weights_written(folder):
        fit_discriminator(dataset, load_bundle(folder), console.print, device)
    store_baselines(folder, console, device)
    console.print(f"bundle: {folder}; CFG_0 = {card.cfg_base:g}; accuracies {card.accuracies}")


def store_baselines(folder: Path, console: Console, device: torch.device = CPU) -> None:
    """Play all guidance that needs no training and keep the outcomes beside the bundle."""
    bundle = load_bundle(folder)
    bundle.fitted_denoiser.to(device).make_in(None)
    bundle.proxy.to(device)
    card, judges = bundle.card, Judges(bundle)
    sampler = bundle.sampler(card.num_steps)
    environment = GuidanceEnvironment(sampler, bundle.proxy, card.reward, card.cfg_base)
    for latents in SHIPPED_LATENTS:
        paired = evaluation_latents(bundle, latents)
        baselines = Baselines(bundle, judges, environment, paired, folder / FOLDER)
        with for_pictures():
            baselines.constants()
            baselines.placebos()
            baselines.schedules()
            baselines.rule()
            baselines.greedy()
            baselines.base()
        console.print(f"baselines on {latents} latents are stored")
