"""A Stable Diffusion on disk, in diffusers' layout: found, and checked before anything is loaded.

Weights are read from safetensors alone: a pickle may execute whatever its author liked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion.embedded import sha256_once
from diffusion.noise_schedule import PREDICTION_TYPES, NoiseSchedule

INDEX = "model_index.json"
PARTS = {
    "unet": ("UNet2DConditionModel", "diffusion_pytorch_model"),
    "vae": ("AutoencoderKL", "diffusion_pytorch_model"),
    "text_encoder": ("CLIPTextModel", "model"),
}
"""What it consists of: the class that each part must be, and the stem of its weights."""
MAKES_PICTURES = ("unet", "vae")
"""What is needed once the prompts are encoded."""
TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
HALF = "fp16"
"""diffusers' name of the variant in half precision."""
SINGLE_FILES = (".ckpt", ".pt", ".pth", ".bin", ".safetensors")
_MORE_CONDITIONS = (
    "class_embed_type",
    "num_class_embeds",
    "addition_embed_type",
    "encoder_hid_dim_type",
    "time_cond_proj_dim",
)
"""Of a UNet that asks for more than latents, a level and a prompt."""


class ModelError(ValueError):
    """A text-prompted model is missing, damaged, or none that can be steered."""


@dataclass(frozen=True)
class Checkpoint:
    """A model's folder, found to be one that can be steered.

    Attributes:
        folder: Where it lies.
        variants: Part to the variant of its weights on disk; None for full precision.
    """

    folder: Path
    variants: dict[str, str | None]

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise levels of its own scheduler."""
        return NoiseSchedule.of_scheduler(self.config("scheduler"))

    @property
    def spacing(self) -> str:
        """How its own scheduler spaces the levels that it visits."""
        return str(self.config("scheduler").get("timestep_spacing", "leading"))

    @property
    def prediction_type(self) -> str:
        """What its UNet predicts, one of `PREDICTION_TYPES`."""
        return str(self.config("scheduler").get("prediction_type", "epsilon"))

    def config(self, part: str) -> dict[str, Any]:
        """Configuration of a part."""
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        return _read_json(self.folder / part / name)

    def checksums(self) -> dict[str, str]:
        """SHA-256 of what makes pictures, architectures and weights, by path in the folder."""
        files = [self.folder / part / "config.json" for part in MAKES_PICTURES]
        files += [weights_file(self.folder, part, self.variants[part]) for part in MAKES_PICTURES]
        return {str(file.relative_to(self.folder)): sha256_once(file) for file in files}


def open_checkpoint(folder: Path, parts: Sequence[str] = tuple(PARTS)) -> Checkpoint:
    """Look at a model's configurations, and at which weights there are.

    Args:
        folder: The model.
        parts: Whose weights must be there.

    Raises:
        ModelError: If there is none, or none that can be steered; with what would help.
    """
    if folder.suffix in SINGLE_FILES and folder.is_file():
        raise ModelError(
            f"{folder} is a single file: {_convert('from_single_file', folder, folder.stem)}"
        )
    if not (folder / INDEX).is_file():
        raise ModelError(f"{folder} is no model in diffusers' layout: it has no {INDEX}")
    index = _read_json(folder / INDEX)
    _require_parts(folder, index)
    found = Checkpoint(folder, {part: _variant(folder, part) for part in parts})
    _require_plain_guidance(found)
    return found


def weights_file(folder: Path, part: str, variant: str | None) -> Path:
    """The file of a part's weights."""
    stem = PARTS[part][1]
    return folder / part / (f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors")


def _require_parts(folder: Path, index: dict[str, Any]) -> None:
    """Refuse pipelines of other parts, such as SDXL's two text encoders or a transformer."""
    named = {part: value[1] for part, value in index.items() if isinstance(value, list)}
    more = sorted(set(named) & {"text_encoder_2", "transformer", "prior", "image_encoder"})
    others = [part for part in more if named[part] is not None]
    wanted = {part: (name,) for part, (name, _) in PARTS.items()} | {"tokenizer": TOKENIZERS}
    wrong = [part for part, names in wanted.items() if named.get(part) not in names]
    if wrong or others:
        kind = index.get("_class_name", "it")
        said = ", ".join(f"{part} is {named.get(part)!r}" for part in (*wrong, *others))
        raise ModelError(
            f"{folder} is a {kind}, and {said}: Stable Diffusion 1.x and 2.x can be steered, with "
            "one CLIP text encoder, a UNet and a KL autoencoder"
        )


def _variant(folder: Path, part: str) -> str | None:
    """Which of a part's weights to read: in full precision where they are.

    Raises:
        ModelError: If there are none in safetensors.
    """
    for variant in (None, HALF):
        if weights_file(folder, part, variant).is_file():
            return variant
    pickles = sorted((folder / part).glob("*.bin"))
    if pickles:
        raise pickle_refused(pickles[0], folder, f"{folder.name}-safe")
    wanted = weights_file(folder, part, None)
    raise ModelError(f"{wanted} is missing: copy or download the whole model")


def require_all_weights(folder: Path, part: str, loaded: Mapping[str, Any]) -> None:
    """Refuse a part of which a library has drawn some weights at random.

    Args:
        folder: The model.
        part: By its name.
        loaded: What the library says of the loading.

    Raises:
        ModelError: If weights are missing in the file.
    """
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise ModelError(
            f"{folder}: the {part} lacks {len(missing)} weights, {missing[0]} first: the file is "
            "cut or of another architecture"
        )


def pickle_refused(pickle: Path | str, model: Path | str, target: str) -> ModelError:
    """The error of weights that are a pickle, with the command that converts the model."""
    convert = _convert("from_pretrained", model, target)
    return ModelError(f"{pickle} is a pickle, which may execute anything: {convert}")


def _require_plain_guidance(found: Checkpoint) -> None:
    """Refuse what needs more than latents, a level and a prompt, or another noise."""
    unet, vae = found.config("unet"), found.config("vae")
    channels = vae.get("latent_channels", 4)
    if unet.get("in_channels", 4) != channels or unet.get("out_channels", 4) != channels:
        raise ModelError(
            f"{found.folder}: the UNet takes {unet.get('in_channels')} channels and the "
            f"autoencoder has {channels}: models for inpainting or depth need another picture, too"
        )
    asked = [name for name in _MORE_CONDITIONS if unet.get(name)]
    if asked:
        raise ModelError(
            f"{found.folder}: the UNet has {asked[0]}, and asks for more than a prompt"
        )
    if found.prediction_type not in PREDICTION_TYPES:
        raise ModelError(
            f"{found.folder} predicts {found.prediction_type!r}: use one of {PREDICTION_TYPES}"
        )
    try:
        _ = found.schedule
    except ValueError as error:
        raise ModelError(f"{found.folder} cannot be sampled: {error}") from error


def _convert(method: str, source: Path | str, target: str) -> str:
    more = ", use_safetensors=False" if method == "from_pretrained" else ""
    return (
        '`python -c "from diffusers import StableDiffusionPipeline as P; '
        f"P.{method}('{source}'{more}).save_pretrained('{target}')\"` converts it, on a machine "
        "where you trust it"
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: copy or download the whole model") from error
    except json.JSONDecodeError as error:
        raise ModelError(f"{path} is no JSON: {error}") from error
    return values
