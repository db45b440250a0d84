"""A CLIP built from configurations: random weights, one megabyte, pictures of 32 x 32."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig

from tests.tiny_model import tiny_text_config, tiny_tokenizer

SIDE, PROJECTION = 32, 16


def save_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Write one as transformers' own `save_pretrained` does."""
    torch.manual_seed(seed)
    text = tiny_text_config(PROJECTION)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=8,
        projection_dim=PROJECTION,
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=PROJECTION
    )
    CLIPModel(config).save_pretrained(folder)
    tiny_tokenizer(folder)
    return folder
