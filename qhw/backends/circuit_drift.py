"""What a change of calibration means for one circuit: on its own qubits, and against others."""

from __future__ import annotations

from dataclasses import dataclass

from calibration import DeviceSnapshot, Drift, Thresholds, compare, expected_error
from policy import RingCircuit
from qhw.backends.transpilation import (
    TranspiledCircuit,
    TranspileOptions,
    fresh_layout,
    operations,
    two_qubit_pairs,
)


@dataclass(frozen=True)
class CircuitDrift:
    """What moved under a circuit.

    Attributes:
        drift: On the circuit's qubits and pairs alone; its verdict knows the scores below.
        score_before: Expected error in [0, 1] under the earlier calibration.
        score_after: The same qubits under the later one; None if a gate is gone.
        fresh: The best layout under the later one.
    """

    drift: Drift
    score_before: float
    score_after: float | None
    fresh: TranspiledCircuit


def on_circuit(
    before: DeviceSnapshot,
    after: DeviceSnapshot,
    transpiled: TranspiledCircuit,
    thresholds: Thresholds | None = None,
) -> Drift:
    """Compare what a circuit uses: its qubits' times and gates, its pairs, its read-out."""
    return compare(
        before,
        after,
        thresholds,
        qubits=transpiled.active_qubits,
        pairs=two_qubit_pairs(transpiled),
        measured=transpiled.output_qubits,
    )


def circuit_drift(
    before: DeviceSnapshot,
    after: DeviceSnapshot,
    circuit: RingCircuit,
    transpiled: TranspiledCircuit,
    options: TranspileOptions | None = None,
) -> CircuitDrift:
    """Compare on a circuit's qubits, and ask whether others would do clearly better now.

    Args:
        before: The earlier calibration.
        after: The later one.
        circuit: The ansatz.
        transpiled: Laid out on the device, scored under `before`.
        options: Its `relayout_factor` says what is clearly better, as for the cache of circuits.
    """
    chosen = options or TranspileOptions()
    drift = on_circuit(before, after, transpiled)
    fresh = fresh_layout(circuit, after, chosen)
    score = _score(after, transpiled)
    if score is not None and score > chosen.relayout_factor * fresh.score:
        drift = drift.relaid(
            f"expected error {score:.3f} on the circuit's qubits, {fresh.score:.3f} on others"
        )
    return CircuitDrift(drift, transpiled.score, score, fresh)


def _score(snapshot: DeviceSnapshot, transpiled: TranspiledCircuit) -> float | None:
    gates = operations(transpiled.circuit)
    known = {(gate.name, gate.qubits) for gate in snapshot.gates}
    if not known.issuperset(gates):
        return None
    return expected_error(snapshot, gates, transpiled.output_qubits)
