from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diffusion import lpips_distance
from diffusion.lpips_distance import LpipsDistance


@pytest.fixture(scope="module")
def distance() -> LpipsDistance:
    return LpipsDistance()


def pictures(size: int = 64, channels: int = 3) -> torch.Tensor:
    """A wave, its shift, and a coarse board, from formulas alone."""
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    tint = torch.tensor([1.0, 0.8, 0.6])[:channels, None, None]
    wave = 0.5 + 0.5 * torch.sin(12 * x + 5 * y)
    shifted = 0.5 + 0.5 * torch.sin(12 * x + 5 * y + 0.7)
    board = ((x * 8).floor() + (y * 8).floor()) % 2
    return torch.stack([tint * p for p in (wave, shifted, board)])


def test_values_computed_once_from_the_true_weights(distance: LpipsDistance) -> None:
    wave, shifted, board = pictures()
    measured = distance(torch.stack([wave, wave]), torch.stack([shifted, board]))
    assert measured.tolist() == pytest.approx([0.01969, 0.75465], abs=2e-4)


def test_grey_and_small_pictures_are_enlarged_first(distance: LpipsDistance) -> None:
    wave, shifted, board = pictures(size=28, channels=1)
    measured = distance(torch.stack([wave, wave]), torch.stack([shifted, board]))
    assert measured.tolist() == pytest.approx([0.02487, 0.79750], abs=2e-4)


def test_zero_for_equal_and_symmetric(distance: LpipsDistance) -> None:
    batch = pictures()
    assert distance(batch, batch).abs().max() < 1e-6
    assert torch.allclose(distance(batch, batch.flip(0)), distance(batch.flip(0), batch), atol=1e-6)


def test_random_numbers_of_the_caller_are_untouched() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    LpipsDistance()
    assert torch.equal(torch.rand(3), expected)


def test_unlike_pictures_and_damaged_weights_are_refused(
    distance: LpipsDistance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="need the same"):
        distance(torch.zeros(1, 1, 28, 28), torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match="1 or 3"):
        distance(torch.zeros(1, 2, 28, 28), torch.zeros(1, 2, 28, 28))
    damaged = tmp_path / "alexnet_features.safetensors"
    damaged.write_bytes(lpips_distance.WEIGHTS.read_bytes()[:-10])
    lpips_distance.lpips_network.cache_clear()
    monkeypatch.setattr(lpips_distance, "WEIGHTS", damaged)
    with pytest.raises(ValueError, match="install the package again"):
        LpipsDistance()
    damaged.unlink()
    with pytest.raises(FileNotFoundError, match="missing"):
        LpipsDistance()
