"""CLIP as a classifier: what transformers itself says of pictures and prompts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTokenizer

from diffusion.foreign.clip import DEVIATION, MEAN, name_clip, open_clip
from diffusion.foreign.preparation import prepare
from diffusion.foreign.reference_file import Named, write_named
from diffusion.latent.checkpoint import ModelError
from tests.tiny_clip import SIDE, save_tiny_clip

PROMPTS = ("a cat", "a dog", "a hare")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return save_tiny_clip(tmp_path / "clip")


@torch.no_grad()
def test_its_logits_are_transformers_own(clip: Path, tmp_path: Path) -> None:
    ours = name_clip(clip, str(clip), None, PROMPTS, tmp_path / "proxy.safetensors")
    images = torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    tokens = CLIPTokenizer.from_pretrained(clip)(list(PROMPTS), padding=True, return_tensors="pt")
    theirs = CLIPModel.from_pretrained(clip)(
        input_ids=tokens.input_ids,
        attention_mask=tokens.attention_mask,
        pixel_values=(images - torch.tensor(MEAN).view(3, 1, 1))
        / torch.tensor(DEVIATION).view(3, 1, 1),
    )
    torch.testing.assert_close(ours(images), theirs.logits_per_image, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.features(images), theirs.image_embeds, rtol=1e-5, atol=1e-6)


def test_it_is_frozen_and_the_same_when_it_is_opened_again(clip: Path, tmp_path: Path) -> None:
    path, images = tmp_path / "proxy.safetensors", torch.rand(2, 1, 16, 16)
    first = name_clip(clip, str(clip), None, PROMPTS, path)
    again = open_clip(path)
    assert not again.training
    assert not any(weights.requires_grad for weights in again.parameters())
    assert torch.equal(first(images), again(images))
    assert path.stat().st_size < 10_000, "its weights are named, not copied"


def test_prompts_that_are_read_alike_are_refused(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "proxy.safetensors"
    differ_late = (f"{'a' * 40} cat", f"{'a' * 40} dog")
    with pytest.raises(ModelError, match="alike: what tells them apart is beyond its window"):
        name_clip(clip, str(clip), None, differ_late, path)
    assert not path.exists()
    cut = name_clip(clip, str(clip), None, ("a" * 40, "b" * 40), path)
    assert cut(torch.rand(1, 3, SIDE, SIDE)).shape == (1, 2)


def test_other_weights_than_those_that_were_measured_are_refused(
    clip: Path, tmp_path: Path
) -> None:
    path, weights = tmp_path / "proxy.safetensors", clip / "model.safetensors"
    name_clip(clip, str(clip), None, PROMPTS, path)
    tensors = load_file(weights)
    tensors["logit_scale"] += 1
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="the classifier was replaced, `qhw models eyes`"):
        open_clip(path)
    weights.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is not there any more"):
        open_clip(path)


def test_a_pickle_is_answered_with_the_command_that_converts_it(clip: Path, tmp_path: Path) -> None:
    (clip / "model.safetensors").rename(clip / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"is a pickle, .*import CLIPModel as M"):
        name_clip(clip, "me/clip", None, PROMPTS, tmp_path / "proxy.safetensors")


def test_weights_that_are_cut_are_refused(clip: Path, tmp_path: Path) -> None:
    weights = clip / "model.safetensors"
    tensors = load_file(weights)
    del tensors["visual_projection.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"the CLIP lacks 1 weights, visual_projection\.weight"):
        name_clip(clip, str(clip), None, PROMPTS, tmp_path / "proxy.safetensors")


def test_a_folder_of_something_else_is_refused(clip: Path, tmp_path: Path) -> None:
    config = json.loads((clip / "config.json").read_text())
    (clip / "config.json").unlink()
    with pytest.raises(ModelError, match="is no CLIP in transformers' layout"):
        name_clip(clip, str(clip), None, PROMPTS, tmp_path / "proxy.safetensors")
    (clip / "config.json").write_text(json.dumps({**config, "projection_dim": 7}))
    with pytest.raises(ModelError, match="cannot be read as a CLIP"):
        name_clip(clip, str(clip), None, PROMPTS, tmp_path / "proxy.safetensors")


def test_a_damaged_file_of_ours_is_refused(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "proxy.safetensors"
    save_file({"text": torch.zeros(2, 16)}, path)
    with pytest.raises(ModelError, match="names no classifier"):
        open_clip(path)
    named = Named(str(clip), None, {"model.safetensors": "0" * 64})
    write_named(path, named, {"scale": torch.tensor(1.0)})
    with pytest.raises(ModelError, match="names no classifier: it lacks text"):
        open_clip(path)
    whole = {"text": torch.zeros(2, 16), "scale": torch.tensor(1.0)}
    write_named(path, replace(named, checksums={}), whole)
    with pytest.raises(ModelError, match="no checksum of weights is in it"):
        open_clip(path)


def test_pictures_are_enlarged_and_grey_ones_coloured() -> None:
    grey = torch.full((2, 1, 8, 8), 0.5)
    seen = prepare(grey, 12, (0.5, 0.25, 0.0), (0.5, 0.5, 0.5), "bilinear")
    assert seen.shape == (2, 3, 12, 12)
    assert torch.allclose(seen.mean(dim=(0, 2, 3)), torch.tensor([0.0, 0.5, 1.0]), atol=1e-6)
