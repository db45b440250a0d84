"""Prompts of the classes, and what the model's own text encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from torch import Tensor

from diffusion.latent.checkpoint import ModelError, require_all_weights

PLACE = "{label}"
"""Where a class's name goes."""


@dataclass(frozen=True)
class Prompts:
    """One prompt per class, and one that guidance leads away from.

    Attributes:
        texts: In the order of the classes.
        negative: Empty for the model's own unconditional prediction.
    """

    texts: tuple[str, ...]
    negative: str = ""

    @classmethod
    def of_labels(cls, template: str, labels: Sequence[str], negative: str = "") -> Self:
        """Put every label into a template, such as ``a photo of a {label}``.

        Raises:
            ValueError: If the template has no place for it, or labels repeat or are empty.
        """
        if PLACE not in template:
            raise ValueError(f"the prompt {template!r} has no {PLACE}: all classes would be alike")
        names = [label.strip() for label in labels]
        if not all(names):
            raise ValueError(f"a label is empty: {list(labels)}")
        if len(set(names)) < len(names):
            raise ValueError(f"labels repeat: {list(labels)}")
        return cls(tuple(template.replace(PLACE, name) for name in names), negative)


@dataclass(frozen=True)
class PromptEmbeddings:
    """The text encoder's last hidden states, for K classes and W tokens.

    Attributes:
        conditional: (K, W, D), one per class.
        unconditional: (1, W, D), of the negative prompt.
    """

    conditional: Tensor
    unconditional: Tensor


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as the model reads them.

    Attributes:
        embeddings: What the UNet is given.
        cut: Text to what is left of it, of those that are longer than the encoder's window.
    """

    embeddings: PromptEmbeddings
    cut: dict[str, str]


@torch.no_grad()
def encode_prompts(folder: Path, prompts: Prompts, variant: str | None = None) -> EncodedPrompts:
    """Encode prompts as diffusers' pipeline does: padded to the window, or cut there.

    Args:
        folder: The model, in diffusers' layout.
        prompts: What is asked for.
        variant: Of the text encoder's weights.

    Raises:
        ImportError: If transformers is not installed.
        ModelError: If a file of the text encoder is damaged.
    """
    from transformers import CLIPTextModel, CLIPTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer: Any = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        read: Any = CLIPTextModel.from_pretrained(
            folder / "text_encoder",
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder}: the text encoder cannot be read: {error}") from error
    encoder, loaded = read
    require_all_weights(folder, "text_encoder", loaded)
    encoder.float().eval()
    texts = [*prompts.texts, prompts.negative]
    window = encoder.config.max_position_embeddings
    padded = tokenizer(
        texts, padding="max_length", max_length=window, truncation=True, return_tensors="pt"
    )
    masked = getattr(encoder.config, "use_attention_mask", False)
    states = encoder(padded.input_ids, attention_mask=padded.attention_mask if masked else None)[0]
    return EncodedPrompts(
        PromptEmbeddings(states[:-1], states[-1:]), _cut(tokenizer, texts, window)
    )


def _cut(tokenizer: Any, texts: Sequence[str], window: int) -> dict[str, str]:
    whole = {text: tokenizer(text, verbose=False).input_ids for text in texts}
    return {
        text: tokenizer.decode(tokens[: window - 1], skip_special_tokens=True)
        for text, tokens in whole.items()
        if len(tokens) > window
    }
