"""`qhw models calibrate`: from a text-prompted model to a bundle that names it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from diffusion.bundle import BundleCard, read_card
from diffusion.eyes import Eyes
from diffusion.headroom import NoGainError
from diffusion.latent.calibrating import calibrate
from diffusion.latent.calibration import Calibration, CalibrationConfig, Source
from diffusion.latent.checkpoint import ModelError, open_checkpoint
from diffusion.latent.denoiser import LatentPrecision
from diffusion.latent.memory import require_memory
from diffusion.latent.prompts import Prompts, encode_prompts
from qhw.commands.fit import weights_written
from qhw.controllers.hub import download_model
from qhw.errors import BundleError, ConfigError, UnknownNameError
from qhw.files import make_folder, writing
from qhw.packages import refuse_missing
from qhw.threads import for_pictures
from qhw.training.parts import choose_torch_device, open_eyes

EXAMPLE = "--prompts 'a photo of a {label}' --labels 'cat, dog'"


@dataclass(frozen=True)
class Asked:
    """What was typed about the model.

    Attributes:
        model: Its folder, or `OWNER/NAME` on the hub.
        revision: On the hub.
        prompts: A template with `{label}`.
        labels: Names of the classes, with commas between; None for those of the eyes.
        negative_prompt: What guidance leads away from.
        eyes: Bundle whose classifiers look, or a folder of eyes.
    """

    model: str
    revision: str | None
    prompts: str
    labels: str | None
    negative_prompt: str
    eyes: str

    @property
    def command(self) -> str:
        """What makes it again, sizes left out."""
        typed = ["qhw", "models", "calibrate", self.model, "--prompts", self.prompts]
        options = {
            "--revision": self.revision,
            "--labels": self.labels,
            "--negative-prompt": self.negative_prompt,
            "--eyes": self.eyes,
        }
        given = [word for name, value in options.items() if value for word in (name, value)]
        return shlex.join([*typed, *given])


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
    eyes, exact = open_eyes(asked.eyes), _precision(precision, device)
    labels = _labels(asked, eyes)
    _refuse_another(out, eyes, labels)
    source = _source(asked, labels, half=exact != "fp32")
    for text, left in source.encoded.cut.items():
        console.print(f'"{text}" is longer than the text encoder reads: cut to "{left}"')
    if source.checkpoint.spacing not in ("leading", "trailing"):
        console.print(f"its scheduler spaces levels {source.checkpoint.spacing}: leading is taken")
    config = CalibrationConfig(steps, latents, resolution, exact, batch, price, seed)
    card = _calibrated(Calibration(source, eyes, out, config, console.print, device, asked.command))
    console.print(f"bundle: {out}; CFG_0 = {card.cfg_base:g}; `qhw train --model {out}` takes it")


def _calibrated(calibration: Calibration) -> BundleCard:
    """Measure and write, and say what to type where that fails."""
    try:
        require_memory(calibration.denoiser, calibration.device)
        make_folder(calibration.out)
        with writing(calibration.out), weights_written(calibration.out), for_pictures():
            return calibrate(calibration)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ConfigError(str(error), "--batch NUMBER makes fewer in one forward.") from error
    except ModelError as error:
        raise BundleError(str(error), "Bring the model anew.") from error
    except NoGainError as error:
        raise BundleError(
            str(error), "--price 'abs(g - 1)' takes that form without asking what it gains."
        ) from error
    except ValueError as error:
        raise BundleError(str(error), "Change what it names, or name another --out.") from error


def _labels(asked: Asked, eyes: Eyes) -> tuple[str, ...]:
    """Names of the classes, as many as the eyes know.

    Raises:
        ConfigError: If there are more or fewer.
    """
    known = eyes.class_names
    if asked.labels is None:
        return known
    labels = tuple(label.strip() for label in asked.labels.split(","))
    if len(labels) != len(known):
        raise ConfigError(
            f"--labels {asked.labels!r} are {len(labels)} names for the {len(known)} classes of "
            f"{eyes.name}: {', '.join(known)}.",
            "Name as many, in that order.",
        )
    return labels


def _refuse_another(out: Path, eyes: Eyes, labels: tuple[str, ...]) -> None:
    """Refuse a folder that holds another bundle; a repeated command finds its own.

    Raises:
        ConfigError: If it does.
    """
    if out.resolve() == eyes.folder.resolve():
        raise ConfigError(f"{out} holds the eyes.", "Name another --out.")
    if not (out / "card.json").exists():
        return
    try:
        card = read_card(out)
    except ValueError as error:
        raise BundleError(str(error), "Name another --out.") from error
    if not card.is_latent or card.class_names != labels:
        raise ConfigError(f"{out} holds the bundle {card.name!r}.", "Name another --out.")


def _source(asked: Asked, labels: tuple[str, ...], *, half: bool) -> Source:
    """The model on this machine, and what it is asked."""
    try:
        prompts = Prompts.of_labels(asked.prompts, labels, asked.negative_prompt)
    except ValueError as error:
        raise ConfigError(str(error), f"{EXAMPLE}.") from error
    try:
        folder, revision = _brought(asked, half)
        checkpoint = open_checkpoint(folder)
        encoded = encode_prompts(folder, prompts, checkpoint.variants["text_encoder"])
    except ModelError as error:
        raise BundleError(
            str(error), "`qhw models calibrate` takes what diffusers saved."
        ) from error
    name = asked.model if revision else str(folder.absolute())
    return Source(name, revision, checkpoint, labels, prompts, encoded)


def _brought(asked: Asked, half: bool) -> tuple[Path, str | None]:
    """The model's folder on this machine, and its commit if it came from the hub."""
    folder = Path(asked.model)
    if folder.exists():
        if asked.revision is not None:
            raise ConfigError(
                f"--revision {asked.revision} is for models of the hub, and {folder} is a folder.",
                "Leave it out.",
            )
        return folder, None
    if asked.model.count("/") != 1:
        raise UnknownNameError(
            f"There is no model {asked.model!r} on this machine, and no hub has names like it.",
            "Name a folder in diffusers' layout, or OWNER/NAME.",
        )
    return download_model(asked.model, asked.revision, half=half)


def _precision(
    asked: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device
) -> LatentPrecision:
    if asked != "auto":
        return asked
    return "fp16" if device.type == "cuda" else "fp32"
