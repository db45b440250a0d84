from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from diffusion.latent.checkpoint import ModelError
from diffusion.latent.prompts import Prompts, encode_prompts
from tests.tiny_model import WINDOW


def test_labels_go_where_the_template_says() -> None:
    prompts = Prompts.of_labels("a {label}, a photo", ["cat", " dog "], negative="blurred")
    assert prompts.texts == ("a cat, a photo", "a dog, a photo")
    assert prompts.negative == "blurred"


@pytest.mark.parametrize(
    ("template", "labels", "said"),
    [
        ("a photo", ["cat"], "has no {label}"),
        ("a {label}", ["cat", "cat"], "labels repeat"),
        ("a {label}", ["cat", " "], "a label is empty"),
    ],
)
def test_prompts_that_cannot_tell_classes_apart_are_refused(
    template: str, labels: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Prompts.of_labels(template, labels)


@pytest.mark.parametrize("negative", ["", "blurred, grey"])
def test_embeddings_are_those_of_diffusers_pipeline(tiny_model: Path, negative: str) -> None:
    prompts = Prompts.of_labels("a photo of a {label}", ["cat", "dog"], negative)
    ours = encode_prompts(tiny_model, prompts).embeddings
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model, local_files_only=True)
    cond, uncond = pipeline.encode_prompt(
        list(prompts.texts), "cpu", 1, True, negative_prompt=[negative] * 2
    )
    assert ours.conditional.shape == (2, WINDOW, 32)
    torch.testing.assert_close(ours.conditional, cond, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.unconditional, uncond[:1], rtol=0, atol=1e-6)


def test_a_prompt_longer_than_the_window_is_cut_and_told(tiny_model: Path) -> None:
    prompts = Prompts(("a cat", "a dog that sleeps well"), "")
    encoded = encode_prompts(tiny_model, prompts)
    (told,) = encoded.cut.items()
    assert told[0] == "a dog that sleeps well"
    assert told[0].startswith(told[1])
    assert 0 < len(told[1]) < len(told[0])
    shorter = encode_prompts(tiny_model, Prompts((told[1],), "")).embeddings
    torch.testing.assert_close(encoded.embeddings.conditional[1:], shorter.conditional)


def test_a_text_encoder_that_lacks_weights_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    weights = model / "text_encoder" / "model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if "q_proj.weight" in name)
    save_file({key: value for key, value in tensors.items() if key != name}, weights)
    with pytest.raises(ModelError, match="the text_encoder lacks 1 weights"):
        encode_prompts(model, Prompts(("a cat",)))


def test_a_damaged_text_encoder_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    weights = model / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="the text encoder cannot be read"):
        encode_prompts(model, Prompts(("a cat",)))
