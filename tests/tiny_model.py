"""A Stable Diffusion built from configurations: random weights, 3 MB, pictures of 32 x 32."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WINDOW = 16
"""Tokens of a prompt, with the two at its ends."""
SIDE = 32
"""Of its pictures; latents are 4 x 16 x 16."""


def save_tiny_model(folder: Path, **scheduler: Any) -> Path:
    """Write one as diffusers' own `save_pretrained` does; more of its scheduler by keyword."""
    tiny_pipeline(folder.with_name(f"{folder.name}-tokens"), **scheduler).save_pretrained(folder)
    return folder


def tiny_pipeline(tokens: Path, **scheduler: Any) -> StableDiffusionPipeline:
    """The pipeline itself; its tokenizer's files lie in `tokens`."""
    torch.manual_seed(0)
    return StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(tiny_text_config()),
        tokenizer=tiny_tokenizer(tokens),
        unet=_unet(),
        scheduler=DDIMScheduler(**_scheduler(scheduler)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_text_config(projection: int = 512) -> CLIPTextConfig:
    """Of a text encoder that reads letters."""
    return CLIPTextConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=WINDOW,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=projection,
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIDE // 2,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    ).eval()


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        sample_size=SIDE,
    ).eval()


def _scheduler(changed: dict[str, Any]) -> dict[str, Any]:
    """As Stable Diffusion 1.5 has it."""
    return {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "steps_offset": 1,
        "set_alpha_to_one": False,
        "clip_sample": False,
        **changed,
    }


def tiny_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write its files, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary()), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\np h\nph o", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": WINDOW, "pad_token": "<|endoftext|>"}), encoding="utf-8"
    )
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer


def vocabulary() -> dict[str, int]:
    """Tokens of one letter, alone or at the end of a word."""
    letters = string.ascii_lowercase + string.digits + "-,.'"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "ph", "pho"]
    tokens = ["<|startoftext|>", "<|endoftext|>", *pieces]
    return {token: place for place, token in enumerate(tokens)}
