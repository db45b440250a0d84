"""`qhw models calibrate`: from a text-prompted model to a bundle that names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from diffusion.bundle import Bundle
from diffusion.latent.calibrating import calibrate
from diffusion.latent.calibration import Calibration, CalibrationConfig, Source
from diffusion.latent.checkpoint import ModelError, open_checkpoint
from diffusion.latent.denoiser import Precision
from diffusion.latent.memory import require_memory
from diffusion.latent.prompts import Prompts, encode_prompts
from qhw.controllers.hub import download_model
from qhw.errors import BundleError, ConfigError, UnknownNameError
from qhw.files import make_folder, writing
from qhw.packages import refuse_missing
from qhw.threads import for_pictures
from qhw.training.parts import choose_torch_device, open_bundle


@dataclass(frozen=True)
class Asked:
    """What was typed about the model.

    Attributes:
        model: Its folder, or `OWNER/NAME` on the hub.
        revision: On the hub.
        prompts: A template with `{label}`.
        labels: Names of the classes, with commas between; None for those of the eyes.
        negative_prompt: What guidance leads away from.
        eyes: Bundle whose classifiers look.
    """

    model: str
    revision: str | None
    prompts: str
    labels: str | None
    negative_prompt: str
    eyes: str


def calibrate_and_report(
    asked: Asked,
    out: Path,
    *,
    steps: int,
    latents: int,
    resolution: int | None,
    price: str,
    batch: int,
    precision: Literal["auto", "fp32", "bf16", "fp16"],
    torch_device: str,
    seed: int,
) -> None:
    """Measure a model, and print the card's main facts.

    Args:
        asked: The model, its prompts, and who looks.
        out: The bundle's folder.
        steps: Denoising steps of every picture.
        latents: Of the head-room table.
        resolution: Side of the model's pictures in pixels; None for its own.
        price: Form of the price on guidance, or `best`.
        batch: Pictures in one forward.
        precision: Of its networks; `auto` follows the device.
        torch_device: Where pictures are made: `auto`, `cpu` or `cuda`.
        seed: Of everything random.

    Raises:
        ConfigError: If prompts, labels or sizes do not fit.
        BundleError: If the model cannot be steered, or guidance gains nothing.
        HubError: If it is on the hub, and that refuses.
        InstallationError: If transformers is missing.
        OutputError: If the bundle cannot be written.
    """
    refuse_missing("transformers", "sd", "Text-prompted models")
    console, device = Console(), choose_torch_device(torch_device)
    eyes = open_bundle(asked.eyes)
    source = _source(asked, eyes)
    for text, left in source.encoded.cut.items():
        console.print(f'"{text}" is longer than the text encoder reads: cut to "{left}"')
    config = CalibrationConfig(
        steps, latents, resolution, _precision(precision, device), batch, price, seed
    )
    make_folder(out)
    try:
        calibration = Calibration(source, eyes, out, config, console.print, device)
        require_memory(calibration.denoiser, device)
        with writing(out), for_pictures():
            card = calibrate(calibration)
    except MemoryError as error:
        raise ConfigError(str(error), "--batch NUMBER makes fewer in one forward.") from error
    except ModelError as error:
        raise BundleError(str(error), "Bring the model anew.") from error
    except ValueError as error:
        raise BundleError(
            str(error), "`qhw models calibrate --help` tells what there is."
        ) from error
    console.print(f"bundle: {out}; CFG_0 = {card.cfg_base:g}; `qhw train --model {out}` takes it")


def _source(asked: Asked, eyes: Bundle) -> Source:
    """The model on this machine, and what it is asked."""
    labels = asked.labels.split(",") if asked.labels else eyes.card.class_names
    try:
        prompts = Prompts.of_labels(asked.prompts, labels, asked.negative_prompt)
    except ValueError as error:
        raise ConfigError(
            str(error), "--prompts 'a photo of a {label}' --labels 'cat, dog'."
        ) from error
    try:
        folder, revision = _brought(asked)
        checkpoint = open_checkpoint(folder)
        encoded = encode_prompts(folder, prompts, checkpoint.variants["text_encoder"])
    except ModelError as error:
        raise BundleError(
            str(error), "`qhw models calibrate` takes what diffusers saved."
        ) from error
    name = asked.model if revision else str(folder.absolute())
    names = tuple(label.strip() for label in labels)
    return Source(name, revision, checkpoint, names, prompts, encoded)


def _brought(asked: Asked) -> tuple[Path, str | None]:
    """The model's folder on this machine, and its commit if it came from the hub."""
    folder = Path(asked.model)
    if folder.exists():
        return folder, None
    if asked.model.count("/") != 1:
        raise UnknownNameError(
            f"There is no model {asked.model!r} on this machine, and no hub has names like it.",
            "Name a folder in diffusers' layout, or OWNER/NAME.",
        )
    return download_model(asked.model, asked.revision)


def _precision(asked: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    if asked != "auto":
        return asked
    return "fp16" if device.type == "cuda" else "fp32"
