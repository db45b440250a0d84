"""The compiled engine against its peers, and against Aer's numbers.

    pip install 'qhw[bench]'
    python -m benchmarks.compiled_engine

Gradients are of all 32 weights of the default circuit (4 qubits, depth 2). Peers take turns in one
process on one thread; CPU seconds, medians. Two peers take minutes for what they are compared on:
they are timed on a few rows, and scaled to the number of rows that parameter shift evaluates.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
from pennylane import numpy as pnp
from qiskit_aer.noise import NoiseModel

from benchmarks.aer_backend import Estimator
from benchmarks.timing import interleaved, significant, write_result
from policy import ParameterShift, RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.compiled import CompiledBackend, CompiledNoisyBackend
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot, stand_in_device

BATCH, LOOP_SAMPLES, UPDATE_SAMPLES = 64, 4, 2048
DEVICES = ("fake_brisbane", "fake_fez")
CIRCUIT = RingCircuit()


def draw(circuit: RingCircuit, rows: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    return (
        rng.uniform(-3, 3, (rows, circuit.num_angles)),
        rng.uniform(-3, 3, circuit.num_weights),
        rng.standard_normal((rows, circuit.num_qubits)),
    )


def open_noisy(circuit: RingCircuit, device: str, folder: Path) -> tuple[Any, Any]:
    snapshot = open_snapshot(device)
    transpiled = transpile_for(circuit, snapshot, TranspileOptions(), folder)
    return CompiledNoisyBackend(circuit, snapshot, transpiled), transpiled


def pennylane_gradient(angles: Any, upstream: FloatArray, method: str) -> Any:
    """The same circuit and loss in PennyLane; angles (8,) or, broadcast, (8, B)."""
    device = qml.device("default.qubit", wires=4)

    def circuit(weights: Any) -> Any:
        for qubit in range(4):
            qml.RY(angles[qubit], qubit)
            qml.RZ(angles[4 + qubit], qubit)
        for layer in range(2):
            for qubit in range(4):
                phi, theta, omega = (weights[16 * layer + 4 * qubit + k] for k in range(3))
                qml.Rot(phi, theta, omega, qubit)
            for control, target in CIRCUIT.pairs:
                qml.CNOT([control, target])
            for qubit in range(4):
                qml.RX(weights[16 * layer + 4 * qubit + 3], qubit)
        return [qml.expval(qml.PauliZ(qubit)) for qubit in range(4)]

    node = qml.QNode(circuit, device, diff_method=method)

    def loss(weights: Any) -> Any:
        return pnp.sum(pnp.stack(node(weights)) * upstream)

    return qml.grad(loss)


def noiseless() -> dict[str, float]:
    angles, weights, upstream = draw(CIRCUIT, BATCH)
    compiled = CompiledBackend(CIRCUIT)
    traced = pnp.array(weights, requires_grad=True)
    broadcast = pennylane_gradient(angles.T, upstream.T, "backprop")
    singles = [pennylane_gradient(angles[k], upstream[k], "best") for k in range(LOOP_SAMPLES)]
    expected = broadcast(traced)
    found = compiled.vjp(angles, weights, upstream)
    seconds = interleaved(
        {
            "shift": lambda: ParameterShift().weight_gradient(compiled, angles, weights, upstream),
            "adjoint": lambda: compiled.vjp(angles, weights, upstream),
            "broadcast": lambda: broadcast(traced),
            "loop": lambda: [single(traced) for single in singles],
        },
        rounds=9,
    )
    loop = seconds["loop"] / LOOP_SAMPLES * BATCH
    return {
        "adjoint, ms": significant(1000 * seconds["adjoint"]),
        "shift, ms": significant(1000 * seconds["shift"]),
        "PennyLane, one call per sample, ms (scaled from 4 samples)": significant(1000 * loop),
        "PennyLane, broadcast with backprop, ms": significant(1000 * seconds["broadcast"]),
        "times faster than one call per sample": significant(loop / seconds["adjoint"]),
        "times faster than broadcast": significant(seconds["broadcast"] / seconds["adjoint"]),
        "largest difference of the gradients": significant(float(np.abs(found - expected).max())),
    }


def noisy(folder: Path) -> dict[str, float]:
    angles, weights, upstream = draw(CIRCUIT, BATCH)
    compiled, transpiled = open_noisy(CIRCUIT, "fake_brisbane", folder)
    exact = CompiledBackend(CIRCUIT)
    reduced = NoisyAerBackend(CIRCUIT, open_snapshot("fake_brisbane"), transpiled)
    model = NoiseModel.from_backend(stand_in_device("fake_brisbane"))
    rows = np.hstack([angles[:8], np.repeat(weights[None], 8, axis=0)])
    full = Estimator(
        transpiled.circuit,
        transpiled.output_qubits,
        rows,
        method="density_matrix",
        noise_model=model,
    )
    quick = {
        "shift": lambda: ParameterShift().weight_gradient(compiled, angles, weights, upstream),
        "adjoint": lambda: compiled.vjp(angles, weights, upstream),
        "noiseless": lambda: exact.vjp(angles, weights, upstream),
    }
    slow_peers = {
        "reduced": lambda: reduced.evaluate(angles[:8], weights[None]),
        "full": full.values,
    }
    # Gradients of a millisecond are compared with each other in many rounds of their own: after
    # a peer of seconds they would find cold caches.
    seconds = interleaved(quick | slow_peers, rounds=5)
    warm = interleaved(quick, rounds=101)
    minibatches = UPDATE_SAMPLES / BATCH
    shift_rows = UPDATE_SAMPLES * 2 * CIRCUIT.num_weights
    update = {name: seconds[name] * minibatches for name in ("shift", "adjoint")}
    slow = {name: seconds[name] / 8 * shift_rows for name in ("reduced", "full")}
    return {
        "adjoint, ms": significant(1000 * warm["adjoint"]),
        "shift, ms": significant(1000 * warm["shift"]),
        "shift / adjoint": significant(warm["shift"] / warm["adjoint"]),
        "adjoint / noiseless adjoint": significant(warm["adjoint"] / warm["noiseless"]),
        "2,048 sample gradients by shift, s": significant(update["shift"]),
        "2,048 sample gradients by adjoint, s": significant(update["adjoint"]),
        "EstimatorV2 on 127 qubits, s (scaled from 8 rows)": significant(slow["full"]),
        "reduced Aer, s (scaled from 8 rows)": significant(slow["reduced"]),
        "shift: times faster than 127 qubits": significant(slow["full"] / update["shift"]),
        "shift: times faster than reduced Aer": significant(slow["reduced"] / update["shift"]),
        "adjoint: times faster than 127 qubits": significant(slow["full"] / update["adjoint"]),
        "adjoint: times faster than reduced Aer": significant(slow["reduced"] / update["adjoint"]),
    }


def time_gradient(circuit: RingCircuit, compiled: CompiledNoisyBackend) -> float:
    angles, weights, upstream = draw(circuit, BATCH)
    peers = {"adjoint": lambda: compiled.vjp(angles, weights, upstream)}
    return interleaved(peers, rounds=3)["adjoint"]


def larger(folder: Path) -> dict[str, float]:
    results = {}
    for qubits in (6, 8):
        circuit = RingCircuit(qubits, 2)
        compiled, transpiled = open_noisy(circuit, "fake_brisbane", folder)
        name = f"n = {qubits}, depth 2, on {len(transpiled.active_qubits)} qubits, ms"
        results[name] = significant(1000 * time_gradient(circuit, compiled))
    return results


def agreement(folder: Path) -> dict[str, dict[str, float]]:
    """Largest difference to Aer's density matrix, of values and of one shift gradient."""
    results = {}
    for device in DEVICES:
        for qubits, depth in [*((n, d) for n in (2, 4) for d in (1, 2, 3, 4, 5, 6)), (6, 2)]:
            circuit = RingCircuit(qubits, depth, "linear" if qubits == 2 else "dense")
            angles, weights, upstream = draw(circuit, 2)
            compiled, transpiled = open_noisy(circuit, device, folder)
            aer = NoisyAerBackend(circuit, open_snapshot(device), transpiled)
            values = compiled.evaluate(angles, weights[None]).values
            forward = np.abs(values - aer.evaluate(angles, weights[None]).values).max()
            entry = {"forward": significant(float(forward), 2)}
            if qubits < 6:
                expected = ParameterShift().weight_gradient(aer, angles, weights, upstream).weights
                found = compiled.vjp(angles, weights, upstream)
                entry["gradient"] = significant(float(np.abs(found - expected).max()), 2)
            results[f"{device}, n = {qubits}, L = {depth}"] = entry
    return results


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_result(
            __file__,
            {
                f"noiseless gradient, {BATCH} samples": noiseless(),
                f"noisy gradient, fake_brisbane, {BATCH} samples": noisy(folder),
                f"noisy gradient of larger circuits, {BATCH} samples": larger(folder),
                "agreement with Aer": agreement(folder),
            },
        )


if __name__ == "__main__":
    main()
