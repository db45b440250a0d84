"""Every snapshot that ships with the vendor's package runs, or says in one line why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from policy import RingCircuit
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.compiled import CompiledNoisyBackend
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.errors import QhwError
from qhw.known import open_snapshot, stand_in_names

NOT = {
    "fake_armonk": "does not fit on fake_armonk, which has 1",
    "fake_cairo": "Qiskit's transpiler cannot lay the circuit out on fake_cairo",
}


@pytest.mark.filterwarnings("ignore:Properties of fake_nighthawk:UserWarning")  # the vendor's word
@pytest.mark.slow  # sixty devices, each transpiled for and compared with Aer: two minutes
@pytest.mark.parametrize("device", sorted(set(stand_in_names()) - NOT.keys()))
def test_a_snapshot_is_compiled_and_gives_aers_numbers(device: str, tmp_path: Path) -> None:
    circuit, snapshot = RingCircuit(), open_snapshot(device)
    transpiled = transpile_for(circuit, snapshot, TranspileOptions(seeds=1), tmp_path)
    compiled = CompiledNoisyBackend(circuit, snapshot, transpiled)
    rng = np.random.default_rng(0)
    angles = rng.uniform(-3, 3, (3, circuit.num_angles))
    weights = rng.uniform(-3, 3, (1, circuit.num_weights))
    values = compiled.evaluate(angles, weights).values
    aer = NoisyAerBackend(circuit, snapshot, transpiled).evaluate(angles, weights).values
    assert np.abs(values - aer).max() < 1e-9
    assert np.all(np.abs(values) < 1)


@pytest.mark.parametrize("device", NOT)
def test_what_does_not_open_says_why(device: str) -> None:
    with pytest.raises(QhwError, match=NOT[device]):
        open_backend("aer_noisy", RingCircuit(), device=device)


def test_an_old_basis_is_compiled() -> None:
    """u2 and u3 have several parameters, and noise."""
    backend = open_backend("aer_noisy", RingCircuit(3, 1), device="fake_london", engine="compiled")
    assert "checked against Aer" in backend.facts().engine
