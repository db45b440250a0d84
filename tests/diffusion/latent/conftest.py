"""A tiny Stable Diffusion, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffusion.latent.checkpoint import open_checkpoint
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.prompts import Prompts, encode_prompts
from tests.tiny_model import save_tiny_model

LABELS = ("cat", "dog", "ship")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def v_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-v"
    return save_tiny_model(folder, prediction_type="v_prediction")


@pytest.fixture(scope="session")
def prompts() -> Prompts:
    return Prompts.of_labels("a photo of a {label}", LABELS)


@pytest.fixture(scope="session")
def denoiser(tiny_model: Path, prompts: Prompts) -> LatentDenoiser:
    encoded = encode_prompts(tiny_model, prompts)
    return LatentDenoiser.load(open_checkpoint(tiny_model), encoded.embeddings, Frame(1, 16))
