from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion.latent.checkpoint import INDEX, ModelError, open_checkpoint
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.prompts import PromptEmbeddings
from diffusion.noise_schedule import NoiseSchedule

UNET = Path("unet", "diffusion_pytorch_model.safetensors")


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_whole_model_says_what_it_is(tiny_model: Path) -> None:
    found = open_checkpoint(tiny_model)
    assert found.prediction_type == "epsilon"
    wanted = NoiseSchedule(1000, "scaled_linear", 0.00085, 0.012, 1, set_alpha_to_one=False)
    assert found.schedule == wanted
    assert found.variants == {"unet": None, "vae": None, "text_encoder": None}
    sums = found.checksums()
    assert sorted(sums) == [
        "unet/config.json", str(UNET),
        "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    assert all(len(digest) == 64 for digest in sums.values())


def test_a_variant_in_half_precision_is_read(model: Path) -> None:
    (model / UNET).rename(model / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    found = open_checkpoint(model)
    assert found.variants["unet"] == "fp16"
    embeddings = PromptEmbeddings(torch.zeros(3, 16, 32), torch.zeros(1, 16, 32))
    assert LatentDenoiser.load(found, embeddings, Frame(3, 32)).num_classes == 3


def test_another_byte_is_another_checksum(model: Path) -> None:
    before = open_checkpoint(model).checksums()
    content = bytearray((model / UNET).read_bytes())
    content[-1] ^= 1
    (model / UNET).write_bytes(content)
    after = open_checkpoint(model).checksums()
    assert [name for name in before if before[name] != after[name]] == [str(UNET)]


def test_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"no model in diffusers' layout: it has no {INDEX}"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["sd.ckpt", "sd.safetensors"])
def test_a_single_file_is_answered_with_the_command_that_converts_it(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(ModelError, match="single file") as refused:
        open_checkpoint(tmp_path / name)
    assert f"P.from_single_file('{tmp_path / name}').save_pretrained('sd')" in str(refused.value)


def test_a_pickle_is_answered_with_the_command_that_converts_it(model: Path) -> None:
    (model / UNET).rename(model / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="is a pickle, which may execute anything") as refused:
        open_checkpoint(model)
    wanted = f"P.from_pretrained('{model}', use_safetensors=False).save_pretrained('model-safe')"
    assert wanted in str(refused.value)


def test_missing_weights_are_refused(model: Path) -> None:
    (model / UNET).unlink()
    with pytest.raises(ModelError, match=r"diffusion_pytorch_model\.safetensors is missing"):
        open_checkpoint(model)


def test_damaged_weights_are_refused(model: Path) -> None:
    (model / UNET).write_bytes((model / UNET).read_bytes()[:5000])
    embeddings = PromptEmbeddings(torch.zeros(3, 16, 32), torch.zeros(1, 16, 32))
    with pytest.raises(ModelError, match="the unet cannot be read"):
        LatentDenoiser.load(open_checkpoint(model), embeddings, Frame(3, 32))


def test_weights_that_lack_some_are_refused(model: Path) -> None:
    tensors = load_file(model / UNET)
    del tensors["conv_in.weight"]
    save_file(tensors, model / UNET)
    embeddings = PromptEmbeddings(torch.zeros(3, 16, 32), torch.zeros(1, 16, 32))
    with pytest.raises(ModelError, match=r"the unet lacks 1 weights, conv_in\.weight first"):
        LatentDenoiser.load(open_checkpoint(model), embeddings, Frame(3, 32))


def test_a_damaged_index_is_refused(model: Path) -> None:
    (model / INDEX).write_text("{")
    with pytest.raises(ModelError, match=r"model_index\.json is no JSON"):
        open_checkpoint(model)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"_class_name": "StableDiffusionXLPipeline",
          "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]},
         "is a StableDiffusionXLPipeline, and text_encoder_2 is 'CLIPTextModelWithProjection'"),
        ({"_class_name": "FluxPipeline", "unet": [None, None],
          "transformer": ["diffusers", "FluxTransformer2DModel"]},
         "is a FluxPipeline, and unet is None, transformer is 'FluxTransformer2DModel'"),
        ({"text_encoder": ["transformers", "T5EncoderModel"]},
         "text_encoder is 'T5EncoderModel'"),
    ],
)  # fmt: skip
def test_other_pipelines_are_refused(model: Path, changes: dict[str, Any], said: str) -> None:
    change(model / INDEX, **changes)
    with pytest.raises(ModelError, match=said):
        open_checkpoint(model)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("unet/config.json", {"in_channels": 9}, "takes 9 channels and the autoencoder has 4"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "asks for more than a prompt"),
        ("unet/config.json", {"time_cond_proj_dim": 256}, "time_cond_proj_dim"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "predicts 'flow'"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "without any signal"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1]}, "one by one"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "sigmoid"}, "use one of"),
    ],
)
def test_what_cannot_be_steered_is_refused(
    model: Path, file: str, changes: dict[str, Any], said: str
) -> None:
    change(model / file, **changes)
    with pytest.raises(ModelError, match=said):
        open_checkpoint(model)


def test_a_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="FlowMatchEulerDiscreteScheduler has no beta_schedule"):
        NoiseSchedule.of_scheduler({"_class_name": "FlowMatchEulerDiscreteScheduler"})
