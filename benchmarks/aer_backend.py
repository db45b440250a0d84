"""The Aer backends against Aer's own EstimatorV2: circuits per second and agreement.

    python benchmarks/aer_backend.py

Circuit: 4 qubits, depth 2, four <Z>. Noiseless at 64 rows; under Brisbane's noise at 8 rows,
against EstimatorV2 on all 127 qubits and on the circuit reduced to its active qubits with the same
noise model. Peers take turns in one process; CPU seconds, medians. EstimatorV2 ignores read-out
error, so it is folded into its values before they are compared.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.noise import NoiseModel
from qiskit_aer.primitives import EstimatorV2

from benchmarks.timing import interleaved, significant, write_result
from calibration import noise_model
from policy import RingCircuit
from qhw.backends.aer import AerBackend, NoisyAerBackend
from qhw.backends.transpilation import TranspileOptions, reduced
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot, stand_in_device

Rows = NDArray[np.float64]
DEVICE = "fake_brisbane"
NOISELESS_ROWS, NOISY_ROWS = 64, 8


class Estimator:
    """EstimatorV2 on one circuit, all rows in one broadcast PUB."""

    def __init__(
        self, circuit: QuantumCircuit, outputs: tuple[int, ...], rows: Rows, **options: object
    ):
        self._estimator = EstimatorV2(options={"backend_options": options})
        observables = [
            SparsePauliOp.from_sparse_list([("Z", [qubit], 1)], circuit.num_qubits)
            for qubit in outputs
        ]
        names = [f"angle[{i}]" for i in range(8)] + [f"weight[{i}]" for i in range(32)]
        columns = [names.index(parameter.name) for parameter in circuit.parameters]
        self._pub = (circuit, [observables], rows[:, None, columns])

    def values(self) -> Rows:
        """(rows, n) without read-out error."""
        evs: Rows = self._estimator.run([self._pub], precision=0).result()[0].data.evs
        return evs


def noiseless(rng: np.random.Generator) -> dict[str, float]:
    circuit = RingCircuit()
    angles = rng.uniform(-3, 3, (NOISELESS_ROWS, circuit.num_angles))
    weights = rng.uniform(-3, 3, (1, circuit.num_weights))
    rows = np.hstack([angles, np.repeat(weights, NOISELESS_ROWS, axis=0)])
    backend = AerBackend(circuit)
    peer = Estimator(circuit.quantum_circuit(), (0, 1, 2, 3), rows, method="statevector")
    seconds = interleaved(
        {"ours": lambda: backend.evaluate(angles, weights), "peer": peer.values}, rounds=15
    )
    difference = np.abs(backend.evaluate(angles, weights).values[0] - peer.values()).max()
    return {
        "rows": NOISELESS_ROWS,
        "circuits per second": significant(NOISELESS_ROWS / seconds["ours"]),
        "EstimatorV2, circuits per second": significant(NOISELESS_ROWS / seconds["peer"]),
        "times faster than EstimatorV2": significant(seconds["peer"] / seconds["ours"]),
        "largest difference": significant(float(difference)),
    }


def noisy(rng: np.random.Generator) -> dict[str, float]:
    circuit, snapshot = RingCircuit(), open_snapshot(DEVICE)
    with tempfile.TemporaryDirectory() as folder:
        transpiled = transpile_for(circuit, snapshot, TranspileOptions(), Path(folder))
    angles = rng.uniform(-3, 3, (NOISY_ROWS, circuit.num_angles))
    weights = rng.uniform(-3, 3, (1, circuit.num_weights))
    rows = np.hstack([angles, np.repeat(weights, NOISY_ROWS, axis=0)])
    backend = NoisyAerBackend(circuit, snapshot, transpiled, symmetric_readout=True)
    device = stand_in_device(DEVICE)
    active = transpiled.active_qubits
    full = Estimator(
        transpiled.circuit,
        transpiled.output_qubits,
        rows,
        method="density_matrix",
        noise_model=NoiseModel.from_backend(device),
    )
    small = Estimator(
        reduced(transpiled.circuit, active),
        tuple(active.index(qubit) for qubit in transpiled.output_qubits),
        rows,
        method="density_matrix",
        noise_model=noise_model(snapshot, active),
    )
    seconds = interleaved(
        {
            "ours": lambda: backend.evaluate(angles, weights),
            "full": full.values,
            "reduced": small.values,
        },
        rounds=5,
    )
    errors = [device.target["measure"][(qubit,)].error for qubit in transpiled.output_qubits]
    expected = full.values() * (1 - 2 * np.array(errors))
    difference = np.abs(backend.evaluate(angles, weights).values[0] - expected).max()
    return {
        "rows": NOISY_ROWS,
        "circuits per second": significant(NOISY_ROWS / seconds["ours"]),
        "times faster than EstimatorV2 on 127 qubits": significant(
            seconds["full"] / seconds["ours"]
        ),
        "times faster than EstimatorV2 reduced": significant(seconds["reduced"] / seconds["ours"]),
        "largest difference to 127 qubits": significant(float(difference)),
    }


def main() -> None:
    rng = np.random.default_rng(0)
    write_result(__file__, {"noiseless": noiseless(rng), f"noisy, {DEVICE}": noisy(rng)})


if __name__ == "__main__":
    main()
