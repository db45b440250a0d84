"""Weights on disk: what rounding costs, what stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.weights import LEVELS, SCALE, load_weights, save_weights


def network() -> nn.Sequential:
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)
    with torch.no_grad():
        first.weight[2] = 0.0
        last.weight[1] *= 1000
    return nn.Sequential(first, nn.BatchNorm2d(8), nn.Flatten(), last)


def test_eight_bits_are_off_by_half_a_step_of_their_row_at_most(tmp_path: Path) -> None:
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    save_weights(module, tmp_path / "w.safetensors", "int8")
    after = load_weights(module, tmp_path / "w.safetensors").state_dict()
    for name in ("0.weight", "3.weight"):
        off = (after[name] - before[name]).flatten(1).abs().amax(1)
        step = before[name].flatten(1).abs().amax(1) / LEVELS
        assert (off <= 0.5001 * step).all()
    assert (after["0.weight"][2] == 0).all()
    assert torch.equal(after["0.bias"], before["0.bias"].half().float())
    assert after["1.num_batches_tracked"].dtype == torch.int64


def test_weights_written_again_are_the_same(tmp_path: Path) -> None:
    module = network()
    save_weights(module, tmp_path / "first.safetensors", "int8")
    load_weights(module, tmp_path / "first.safetensors")
    save_weights(module, tmp_path / "second.safetensors", "int8")
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert {n for n in first if n.endswith(SCALE)} == {f"{k}.weight{SCALE}" for k in (0, 3)}
    assert all(torch.allclose(first[name].float(), second[name].float()) for name in first)


@pytest.mark.parametrize("storage", ["fp16", "int8"])
def test_a_denoiser_answers_as_before_within_its_rounding(tmp_path: Path, storage: str) -> None:
    torch.manual_seed(1)
    config = PixelDenoiserConfig.of_pictures(3, 32, 10)
    model = PixelDenoiser(config).eval()
    latents, labels = torch.randn(2, *model.sample_shape), torch.tensor([1, 7])
    before, _ = model.predict(latents, 500, labels)
    path = tmp_path / "denoiser.safetensors"
    save_weights(model, path, "int8" if storage == "int8" else "fp16")
    after, _ = load_weights(PixelDenoiser(config), path).predict(latents, 500, labels)
    off = float((after - before).square().mean().sqrt() / before.std())
    assert off < {"fp16": 1e-3, "int8": 2e-2}[storage]
    millions = sum(weights.numel() for weights in model.parameters()) / 1e6
    assert path.stat().st_size / 1e6 < millions * {"fp16": 2.05, "int8": 1.05}[storage]
