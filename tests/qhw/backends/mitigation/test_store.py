from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.backends.mitigation.affine import AffineMap, AffineStore, affine_key
from qhw.errors import MitigationError


def example(slope: float = 0.8) -> AffineMap:
    return AffineMap(
        slope=np.array([slope, 0.1 + 0.2 + 0.5]),
        intercept=np.array([0.01, -1 / 3]),
        residual=np.array([0.004, 0.003]),
        covariance=np.arange(8.0).reshape(2, 2, 2) / 7,
        circuits=32,
        shots=4096,
        date="2026-01-01T00:00:00+00:00",
        calibration_digest="abc",
        device="ibm_fez",
        key="0123",
    )


def test_a_map_comes_back_as_it_was(tmp_path: Path) -> None:
    store = AffineStore(tmp_path / "maps")
    assert store.load("ibm_fez", "0123") is None
    store.save(example(0.5))
    store.save(example())
    found = store.load("ibm_fez", "0123")
    assert found is not None
    for field in dataclasses.fields(AffineMap):
        assert np.array_equal(getattr(found, field.name), getattr(example(), field.name))
    assert store.load("ibm_fez", "other") is None
    assert [path.name for path in store.folder.iterdir()] == ["ibm_fez-0123.json"]


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    store = AffineStore(tmp_path / "maps")
    store.save(example())
    assert store.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"slope": 3}'])
def test_a_damaged_map_is_reported_and_kept(tmp_path: Path, damage: str) -> None:
    store = AffineStore(tmp_path)
    path = store.path("ibm_fez", "0123")
    path.write_text(damage)
    with pytest.raises(MitigationError, match="is damaged") as caught:
        store.load("ibm_fez", "0123")
    assert f"rm {path}" in caught.value.hint
    assert path.read_text() == damage


def test_the_key_tells_layouts_and_circuits_apart(layout: Any) -> None:
    _, transpiled = layout("fake_fez")
    _, elsewhere = layout("fake_brisbane")
    turned = dataclasses.replace(transpiled, output_qubits=transpiled.output_qubits[::-1])
    keys = {affine_key(each) for each in (transpiled, elsewhere, turned)}
    assert len(keys) == 3
    assert affine_key(dataclasses.replace(transpiled)) in keys
