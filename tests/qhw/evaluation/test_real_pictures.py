from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffusion.bundle import Bundle
from qhw.errors import DamagedFileError
from qhw.evaluation.real_pictures import real_pictures
from qhw.files import Cache
from qhw.training.parts import open_bundle


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return open_bundle("fashion-mnist")


def never() -> dict[str, torch.Tensor]:
    raise AssertionError("they were looked at again")


def test_real_pictures_are_looked_at_once_for_each_bundle(bundle: Bundle) -> None:
    features = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    first = real_pictures(bundle, lambda: {"proxy": features})
    second = real_pictures(bundle, never)
    assert (first["proxy"].features == features.double().numpy()).all()
    assert (second["proxy"].features == first["proxy"].features).all()
    other = replace(bundle, card=replace(bundle.card, cfg_base=bundle.card.cfg_base + 1))
    with pytest.raises(AssertionError, match="again"):
        real_pictures(other, never)


def test_distances_to_themselves_are_none(bundle: Bundle) -> None:
    features = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    real = real_pictures(bundle, lambda: {"proxy": features})["proxy"]
    assert real.gaussian.distance(features) == pytest.approx(0, abs=1e-9)
    assert real.kernel.distance(features) == pytest.approx(0, abs=0.2)
    assert real.kernel.distance(features + 1) > 1


def test_a_damaged_file_is_named(bundle: Bundle) -> None:
    path = Cache.of_user().real_pictures / f"{bundle.card.digest}.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    with pytest.raises(DamagedFileError, match=path.name):
        real_pictures(bundle, never)
