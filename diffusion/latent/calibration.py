"""A text-prompted model, what it is asked, and whose eyes look at its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from diffusion.environment import draw_labels, draw_latents
from diffusion.eyes import Eyes
from diffusion.latent.checkpoint import Checkpoint
from diffusion.latent.denoiser import LatentDenoiser, LatentPrecision
from diffusion.latent.description import LatentDescription
from diffusion.latent.frame import Frame
from diffusion.latent.prompts import EncodedPrompts, Prompts
from diffusion.optimisation import Report
from diffusion.sampler import GuidedSampler
from diffusion.solvers import Ddim

BEST = "best"
"""The price form is chosen by the rule of `diffusion.headroom`."""


@dataclass(frozen=True)
class CalibrationConfig:
    """How a model is looked at.

    Attributes:
        num_steps: Denoising steps of every picture.
        latents: Of the head-room table; half choose, half compare.
        side: Of the model's pictures in pixels; None for those it was trained on.
        precision: What its networks compute with.
        batch: Pictures in one forward.
        price: Price form by its name in `PRICE_FORMS`, or `BEST`.
        seed: Of everything random.
    """

    num_steps: int = 10
    latents: int = 200
    side: int | None = None
    precision: LatentPrecision = "fp32"
    batch: int = 8
    price: str = BEST
    seed: int = 0


@dataclass(frozen=True)
class Source:
    """Which model, and what it is asked.

    Attributes:
        model: Its folder, or `OWNER/NAME` on the hub.
        revision: Commit on the hub; None for a folder.
        checkpoint: Where it lies.
        labels: Names of the classes, in the order of the eyes'.
        prompts: One per class.
        encoded: As its text encoder reads them.
    """

    model: str
    revision: str | None
    checkpoint: Checkpoint
    labels: tuple[str, ...]
    prompts: Prompts
    encoded: EncodedPrompts


@dataclass(frozen=True)
class Calibration:
    """A bundle in the making.

    Attributes:
        source: The model.
        eyes: Whose classifiers and real pictures are taken.
        out: The bundle's folder; what was played lies in `work` below it.
        config: Sizes and seed.
        report: Prints a line of progress.
        device: Where pictures are made.
        command: What was typed, for the card.
    """

    source: Source
    eyes: Eyes
    out: Path
    config: CalibrationConfig
    report: Report
    device: torch.device
    command: str

    @property
    def frame(self) -> Frame:
        """How the eyes look."""
        return self.eyes.frame

    @cached_property
    def denoiser(self) -> LatentDenoiser:
        """The model; without a preview, until one is fitted."""
        config = self.config
        return LatentDenoiser.load(
            self.source.checkpoint,
            self.source.encoded.embeddings,
            self.frame,
            side=config.side,
            precision=config.precision,
            batch=config.batch,
        )

    def sampler(self) -> GuidedSampler:
        """DDIM over the levels of the model's own scheduler."""
        return GuidedSampler(
            self.denoiser,
            self.config.num_steps,
            self.source.checkpoint.schedule,
            clip_sample=False,
            solver=self.solver,
        )

    @property
    def solver(self) -> Ddim:
        """DDIM with the spacing of the model's own scheduler; leading, where it has another."""
        return Ddim("trailing") if self.source.checkpoint.spacing == "trailing" else Ddim()

    def draw(self, count: int, stream: int) -> tuple[Tensor, Tensor]:
        """Latents (count, C, h, w) of a stream of their own, and labels (count,)."""
        latents = draw_latents(count, stream + self.config.seed, self.denoiser.sample_shape)
        return latents, draw_labels(count, self.denoiser.num_classes)

    @cached_property
    def description(self) -> LatentDescription:
        """What the card says of the model."""
        source, config, frame = self.source, self.config, self.frame
        return LatentDescription(
            model=source.model,
            revision=source.revision,
            checksums=source.checkpoint.checksums(),
            prompts=source.prompts.texts,
            negative_prompt=source.prompts.negative,
            prediction_type=source.checkpoint.prediction_type,
            schedule=source.checkpoint.schedule,
            side=self.denoiser.side,
            precision=config.precision,
            batch=config.batch,
            image_channels=frame.channels,
            image_size=frame.side,
            eyes=self.eyes.name,
        )
