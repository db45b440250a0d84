"""CLIP asked which of the classes' prompts fits a picture best: a classifier without a training.

Radford et al., arXiv 2103.00020: the logit of a class is a scale times the cosine of the picture's
and the prompt's embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import normalize

from diffusion.classifiers import Classifier
from diffusion.embedded import sha256_once
from diffusion.foreign.preparation import prepare
from diffusion.foreign.reference_file import Named, read_named, write_named
from diffusion.latent.checkpoint import ModelError, require_all_weights
from diffusion.latent.description import locate

WEIGHTS, CONFIG = "model.safetensors", "config.json"
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP was trained on."""


class ClipClassifier(Classifier):
    """A frozen vision tower, and one embedding per class.

    Args:
        model: A `CLIPModel`, of which only what sees is kept.
        text: (K, D) embeddings of the prompts, of length 1.
        scale: What cosines are multiplied with.
    """

    def __init__(self, model: Any, text: Tensor, scale: float) -> None:
        super().__init__()
        self.vision: Any = model.vision_model
        self.projection: Any = model.visual_projection
        self._side = int(model.config.vision_config.image_size)
        self.head = nn.Linear(text.shape[1], text.shape[0], bias=False)
        with torch.no_grad():
            self.head.weight.copy_(scale * text)
        self.eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        """Embeddings (N, D) of length 1, of pictures (N, c, h, w) in [0, 1]."""
        pixels = prepare(images, self._side, MEAN, DEVIATION, "bicubic")
        return normalize(self.projection(self.vision(pixel_values=pixels).pooler_output), dim=-1)


def name_clip(
    folder: Path, model: str, revision: str | None, prompts: Sequence[str], path: Path
) -> ClipClassifier:
    """Encode prompts, and write the file that names the classifier.

    Args:
        folder: Where the model lies.
        model: Its folder, or `OWNER/NAME`.
        revision: Commit on the hub.
        prompts: One per class.
        path: The file.

    Raises:
        ModelError: If the folder holds no CLIP in safetensors.
    """
    require_clip(folder, model)
    checksums = {name: sha256_once(folder / name) for name in (CONFIG, WEIGHTS)}
    text, scale = encode_texts(folder, prompts)
    if len(torch.unique(text, dim=0)) < len(text):
        raise ModelError(
            f"{model} reads {list(prompts)} alike: what tells them apart is beyond its window, or "
            "no word that it knows"
        )
    write_named(
        path,
        Named(model, revision, checksums),
        {"text": text, "scale": torch.tensor(scale, dtype=torch.float64)},
    )
    return open_clip(path)


def open_clip(path: Path) -> ClipClassifier:
    """The classifier that a file names.

    Raises:
        ModelError: If its weights are not where they were, are others, or damaged.
    """
    named, tensors = read_named(path, ("text", "scale"))
    folder = locate(named.model, named.revision, CONFIG)
    named.require_same(folder)
    return ClipClassifier(_loaded(folder), tensors["text"], float(tensors["scale"]))


@torch.no_grad()
def encode_texts(folder: Path, prompts: Sequence[str]) -> tuple[Tensor, float]:
    """Embeddings (K, D) of prompts, of length 1, and the model's scale of cosines.

    A prompt that is longer than the model reads is cut.

    Raises:
        ModelError: If a file is damaged.
    """
    from transformers import CLIPTokenizer

    model = _loaded(folder)
    try:
        tokenizer: Any = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: the tokenizer cannot be read: {error}") from error
    window = model.config.text_config.max_position_embeddings
    tokens = tokenizer(
        list(prompts), padding=True, max_length=window, truncation=True, return_tensors="pt"
    )
    states = model.text_model(**{k: tokens[k] for k in ("input_ids", "attention_mask")})
    text = normalize(model.text_projection(states.pooler_output), dim=-1)
    return text, math.exp(float(model.logit_scale))


def require_clip(folder: Path, model: str) -> None:
    """Refuse a folder that is no CLIP, or one whose weights are a pickle.

    Raises:
        ModelError: If it is.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{model} is no CLIP in transformers' layout: it has no {CONFIG}")
    if not (folder / WEIGHTS).is_file():
        pickles = sorted(folder.glob("*.bin"))
        if pickles:
            raise clip_pickle_refused(pickles[0], model)
        raise ModelError(f"{folder / WEIGHTS} is missing: copy or download the whole model")


def clip_pickle_refused(pickle: Path | str, model: str) -> ModelError:
    """The error of weights that are a pickle, with the command that converts the model."""
    target = f"{Path(model).name}-safe"
    return ModelError(
        f"{pickle} is a pickle, which may execute anything: "
        '`python -c "from transformers import CLIPModel as M, CLIPTokenizer as T; '
        f"M.from_pretrained('{model}', use_safetensors=False).save_pretrained('{target}'); "
        f"T.from_pretrained('{model}').save_pretrained('{target}')\"` converts it, on a machine "
        "where you trust it"
    )


def _loaded(folder: Path) -> Any:
    """The whole CLIP in fp32, every weight of it out of the file."""
    try:
        from transformers import CLIPModel
    except ModuleNotFoundError as error:
        raise ModelError(
            "a CLIP looks at the pictures, and transformers is not installed: `pip install "
            "'qhw[sd]'`"
        ) from error
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        read: Any = CLIPModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder} cannot be read as a CLIP: {error}") from error
    network, loaded = read
    require_all_weights(folder, "CLIP", loaded)
    return network.float().eval()
