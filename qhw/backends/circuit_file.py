"""A circuit kept on disk: a QPY file, and beside it a JSON file with its digest and other facts.

QPY is only ever read from folders that this program alone writes.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhw.errors import DamagedFileError
from qhw.files import read_record, replace_file, write_json

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


PARAMETER_DECIMALS = 9
"""Angles that agree to 1e-9 rad are the same question."""


def read_circuit(stem: Path, *facts: str) -> tuple[QuantumCircuit | None, str]:
    """The kept circuit, or why there is none; a damaged one is set aside.

    Args:
        stem: Path of both files, without their endings.
        facts: Names without which the JSON file is damaged.
    """
    from qiskit import qpy

    path = stem.with_suffix(".qpy")
    if not path.exists() or not stem.with_suffix(".json").exists():
        return None, "not in the cache yet"
    content = path.read_bytes()
    recorded = read_facts(stem)
    whole = recorded.get("sha256") == hashlib.sha256(content).hexdigest()
    if not whole or not recorded.keys() >= set(facts):
        aside = path.with_suffix(f".damaged-{int(time.time())}")
        path.replace(aside)
        return None, f"the entry was damaged; it is kept as {aside.name}"
    return qpy.load(io.BytesIO(content))[0], ""


def write_circuit(stem: Path, circuit: QuantumCircuit, facts: Mapping[str, Any]) -> None:
    """Keep a circuit with what is to be known of it."""
    content = qpy_bytes(circuit)
    replace_file(stem.with_suffix(".qpy"), content)
    write_json(stem.with_suffix(".json"), {**facts, "sha256": hashlib.sha256(content).hexdigest()})


def qpy_bytes(circuit: QuantumCircuit) -> bytes:
    """The circuit in Qiskit's own format."""
    from qiskit import qpy

    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()


def circuit_digest(circuit: QuantumCircuit) -> str:
    """Identity of a circuit's gates, qubits and parameters, 16 hexadecimal digits."""
    operations = [
        (
            item.operation.name,
            [circuit.find_bit(qubit).index for qubit in item.qubits],
            [_parameter(value) for value in item.operation.params],
        )
        for item in circuit.data
    ]
    text = json.dumps([circuit.num_qubits, operations])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_facts(stem: Path) -> dict[str, Any]:
    """What is to be known of a kept circuit; nothing if the JSON file is damaged."""
    try:
        return read_record(stem.with_suffix(".json"), dict[str, Any])
    except DamagedFileError:
        return {}


def _parameter(value: Any) -> str:
    """A gate's angle in a form that survives storage: numbers rounded, expressions as text."""
    if isinstance(value, (int, float)):
        return repr(round(float(value), PARAMETER_DECIMALS) + 0.0)
    return str(value)
