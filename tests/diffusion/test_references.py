from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diffusion.references import ALEXNET, FILES, NoPicturesError, References
from qhw.evaluation.eyes import ALL_EYES, STRANGER

LABELS = torch.tensor([0, 1, 2])


def test_pictures_come_back_as_they_were(tmp_path: Path) -> None:
    pictures = torch.arange(3 * 16, dtype=torch.uint8).reshape(3, 1, 4, 4)
    name = References(LABELS, pictures).save(tmp_path)
    again = References.load(tmp_path, name)
    assert name == FILES["pictures"]
    assert torch.equal(again.labels, LABELS)
    assert torch.equal(again.images, pictures / 255)
    assert not again.features


def test_features_come_back_in_half_precision(tmp_path: Path) -> None:
    features = {eye: torch.rand(3, 5) for eye in ALL_EYES}
    name = References(LABELS, features=features).save(tmp_path)
    again = References.load(tmp_path, name)
    assert name == FILES["features"]
    assert again.features.keys() == features.keys()
    for eye, seen in features.items():
        assert torch.equal(again.features[eye], seen.half().float())
    with pytest.raises(NoPicturesError, match="no pictures"):
        _ = again.images


def test_one_of_both_is_kept() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        References(LABELS)
    with pytest.raises(ValueError, match="give one of them"):
        References(LABELS, torch.zeros(3, 1, 4, 4), {"proxy": torch.zeros(3, 2)})


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"labels": LABELS}, tmp_path / FILES["pictures"])
    with pytest.raises(ValueError, match=r"holds \['labels'\]: \['images', 'labels'\] are needed"):
        References.load(tmp_path, FILES["pictures"])


def test_alexnet_has_one_name() -> None:
    assert ALEXNET == STRANGER
