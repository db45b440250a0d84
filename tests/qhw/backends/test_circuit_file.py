from __future__ import annotations

import json
from pathlib import Path

from qiskit import QuantumCircuit

from qhw.backends.circuit_file import read_circuit, write_circuit


def small() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    return circuit


def test_a_kept_circuit_comes_back(tmp_path: Path) -> None:
    stem = tmp_path / "entry"
    assert read_circuit(stem) == (None, "not in the cache yet")
    write_circuit(stem, small(), {"scale": 3})
    assert read_circuit(stem) == (small(), "")
    assert json.loads(stem.with_suffix(".json").read_text())["scale"] == 3


def test_a_damaged_circuit_is_set_aside(tmp_path: Path) -> None:
    stem = tmp_path / "entry"
    write_circuit(stem, small(), {})
    stem.with_suffix(".qpy").write_bytes(b"QISKIT")
    found, reason = read_circuit(stem)
    assert found is None
    assert (tmp_path / reason.split()[-1]).read_bytes() == b"QISKIT"
