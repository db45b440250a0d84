"""Every snapshot that ships with the vendor's package runs, or says in one line why not."""

from __future__ import annotations

import numpy as np
import pytest

from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.errors import QhwError
from qhw.known import stand_in_names

NOT = {
    "fake_armonk": "does not fit on fake_armonk, which has 1",
    "fake_cairo": "Qiskit's transpiler cannot lay the circuit out on fake_cairo",
}


@pytest.mark.slow  # transpiles for sixty devices and checks each against Aer: three minutes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("device", sorted(set(stand_in_names()) - NOT.keys()))
def test_a_snapshot_opens(device: str) -> None:
    circuit = RingCircuit()
    backend = open_backend("aer_noisy", circuit, device=device, engine="compiled")
    weights = np.random.default_rng(0).uniform(-3, 3, (1, circuit.num_weights))
    values = backend.evaluate(np.zeros((1, circuit.num_angles)), weights).values
    assert np.all(np.abs(values) < 1)
    assert "checked against Aer" in backend.facts().engine


@pytest.mark.parametrize("device", NOT)
def test_what_does_not_open_says_why(device: str) -> None:
    with pytest.raises(QhwError, match=NOT[device]):
        open_backend("aer_noisy", RingCircuit(), device=device)


def test_an_old_basis_is_compiled() -> None:
    """u2 and u3 have several parameters, and noise."""
    backend = open_backend("aer_noisy", RingCircuit(3, 1), device="fake_london", engine="compiled")
    assert "checked against Aer" in backend.facts().engine
