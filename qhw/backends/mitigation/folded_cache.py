"""Folded circuits kept on disk per device and scale, so that nothing is ever folded twice.

An entry is a QPY file and a JSON file beside it, in a folder of its own beside the transpiled
circuits. A hit needs neither Mitiq nor Cirq. QPY is only ever read from this cache, which this
program alone writes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from calibration import DeviceSnapshot, expected_error
from policy import Ansatz
from qhw.backends.circuit_file import circuit_digest, read_circuit, write_circuit
from qhw.backends.mitigation.folding import fold, refuse_scale
from qhw.backends.transpilation import TranspiledCircuit, operations
from qhw.errors import CacheError, OutputError
from qhw.files import refusal
from qhw.packages import installed_version

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

FORMAT = 1


def folded_for(
    circuit: Ansatz,
    snapshot: DeviceSnapshot,
    transpiled: TranspiledCircuit,
    scale: int,
    cache_dir: Path,
) -> TranspiledCircuit:
    """Read a folded circuit from the cache, or fold it and keep it.

    Args:
        circuit: The ansatz.
        snapshot: The device; the answer's score is under its calibration.
        transpiled: The circuit in the device's gates.
        scale: Odd, 1 or more; at 1 the circuit itself is returned.
        cache_dir: `qhw.files.Cache.folded`.

    Raises:
        MitigationError: If it cannot be folded.
        CacheError: If the cache cannot be written.
    """
    refuse_scale(scale)
    if scale == 1:
        return transpiled
    stem = cache_dir / snapshot.name / _key(circuit, transpiled, scale)
    try:
        cached, reason = read_circuit(stem)
        if cached is not None:
            return _described(cached, snapshot, transpiled, "")
        made = _described(fold(transpiled, scale).circuit, snapshot, transpiled, reason)
        facts = {
            "scale": scale,
            "two_qubit_gates": made.two_qubit_gates,
            "depth": made.depth,
            "mitiq": installed_version("mitiq"),
        }
        stem.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that fold the same circuit write the same files.
        write_circuit(stem, made.circuit, facts)
    except (OSError, OutputError) as error:
        raise CacheError(
            f"The cache of folded circuits at {stem.parent} cannot be used: {refusal(error)}",
            "Free some space or mend its permissions; `qhw doctor` shows the folder.",
        ) from error
    return made


def _described(
    folded: QuantumCircuit, snapshot: DeviceSnapshot, transpiled: TranspiledCircuit, reason: str
) -> TranspiledCircuit:
    """State what the circuit is; scoring it also proves that the device has every gate."""
    gates = operations(folded)
    return dataclasses.replace(
        transpiled,
        circuit=folded,
        two_qubit_gates=sum(len(qubits) == 2 for _, qubits in gates),
        depth=folded.depth(),
        score=expected_error(snapshot, gates, transpiled.output_qubits),
        from_cache=not reason,
        miss_reason=reason,
    )


def _key(circuit: Ansatz, transpiled: TranspiledCircuit, scale: int) -> str:
    import qiskit

    digest = circuit_digest(transpiled.circuit)
    versions = [installed_version("mitiq"), qiskit.__version__]
    text = json.dumps([FORMAT, circuit.digest, digest, transpiled.output_qubits, scale, *versions])
    return hashlib.sha256(text.encode()).hexdigest()[:24]
