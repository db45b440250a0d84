"""What a bundle's card says of a text-prompted model, and the model opened from there.

The weights stay where they are: in a folder, or in the hub's own cache. The card names them, with
their checksums; what is the bundle's own lies in `prompts.safetensors` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from safetensors.torch import load_file, save_file

from diffusion.latent.checkpoint import (
    INDEX,
    MAKES_PICTURES,
    Checkpoint,
    ModelError,
    open_checkpoint,
)
from diffusion.latent.denoiser import LatentDenoiser, LatentPrecision
from diffusion.latent.frame import Frame
from diffusion.latent.preview import Preview
from diffusion.latent.prompts import PromptEmbeddings
from diffusion.noise_schedule import NoiseSchedule

KIND = "latent"
PROMPTS_FILE = "prompts.safetensors"
"""Embeddings of the prompts, and the map of the preview."""


@dataclass(frozen=True)
class LatentDescription:
    """A text-prompted model, named.

    Attributes:
        model: Its folder, or `OWNER/NAME` on the hub.
        revision: Commit on the hub; None for a folder.
        checksums: SHA-256 of its weights, by their paths.
        prompts: Of the classes.
        negative_prompt: What guidance leads away from.
        prediction_type: What its UNet predicts.
        schedule: Its noise levels.
        side: Of its pictures in pixels.
        precision: What its networks compute with.
        batch: Pictures in one forward.
        image_channels: Of pictures as the classifiers look at them.
        image_size: Their side.
        eyes: Name of the bundle whose classifiers these are.
    """

    model: str
    revision: str | None
    checksums: dict[str, str]
    prompts: tuple[str, ...]
    negative_prompt: str
    prediction_type: str
    schedule: NoiseSchedule
    side: int
    precision: LatentPrecision
    batch: int
    image_channels: int
    image_size: int
    eyes: str
    kind: str = KIND

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """What `record` gave.

        Raises:
            ValueError: If fields are missing, unknown or wrong.
        """
        try:
            schedule = NoiseSchedule(**record["schedule"])
            values = {**record, "prompts": tuple(record["prompts"]), "schedule": schedule}
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"a text-prompted model is not described whole: {error}") from error

    @property
    def record(self) -> dict[str, Any]:
        """All fields as plain JSON."""
        return {**asdict(self), "prompts": list(self.prompts)}

    @property
    def frame(self) -> Frame:
        """How the classifiers look."""
        return Frame(self.image_channels, self.image_size)

    def open(self, folder: Path) -> LatentDenoiser:
        """The model, with what lies beside the card in a folder.

        Raises:
            ModelError: If the weights are not where the card says, are others, or damaged.
        """
        checkpoint = open_checkpoint(locate(self.model, self.revision), MAKES_PICTURES)
        self._require_same(checkpoint)
        tensors = load_file(folder / PROMPTS_FILE)
        embeddings = PromptEmbeddings(tensors["conditional"], tensors["unconditional"])
        preview = Preview(tensors["preview"]) if "preview" in tensors else None
        return LatentDenoiser.load(
            checkpoint,
            embeddings,
            self.frame,
            preview,
            prediction_type=self.prediction_type,
            side=self.side,
            precision=self.precision,
            batch=self.batch,
        )

    def _require_same(self, checkpoint: Checkpoint) -> None:
        for name, digest in checkpoint.checksums().items():
            if self.checksums.get(name) != digest:
                said = self.checksums.get(name, "nothing")[:12]
                raise ModelError(
                    f"{checkpoint.folder / name} has SHA-256 {digest[:12]}..., the card says "
                    f"{said}: the model was replaced, calibrate it again"
                )


def is_latent(record: Mapping[str, Any]) -> bool:
    """Whether a card's denoiser is a text-prompted model."""
    return record.get("kind") == KIND


def locate(model: str, revision: str | None, index: str = INDEX) -> Path:
    """Where a model's weights lie on this machine; nothing is downloaded.

    Args:
        model: Its folder, or `OWNER/NAME` on the hub.
        revision: Commit on the hub; None for a folder.
        index: A file that it has.

    Raises:
        ModelError: If they do not.
    """
    if revision is None:
        if not Path(model).exists():
            raise ModelError(f"the model's folder {model} is not there any more")
        return Path(model)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, index, revision=revision)
    if not isinstance(found, str):
        raise ModelError(
            f"{model} at {revision} is not on this machine: `hf download {model} --revision "
            f"{revision}` brings it"
        )
    return Path(found).parent


def save_prompts(folder: Path, embeddings: PromptEmbeddings, preview: Preview | None) -> None:
    """Write `PROMPTS_FILE`."""
    tensors = {
        "conditional": embeddings.conditional.contiguous(),
        "unconditional": embeddings.unconditional.contiguous(),
    }
    if preview is not None:
        tensors["preview"] = preview.weights.contiguous()
    save_file(tensors, folder / PROMPTS_FILE)
