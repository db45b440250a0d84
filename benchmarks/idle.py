"""What waiting does to <Z>, by how circuits are scheduled, and what simulating it costs.

    python -m benchmarks.idle

The default circuit (4 qubits, depth 2) in its best layout; RMSE of <Z> against the noiseless values
over 64 random inputs and weights. "asap" schedules as early as possible, which qhw does not offer:
it says what the assumption is worth. Costs are CPU seconds, medians, in turn in one process. Writes
benchmarks/idle.json.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.timing import interleaved, significant, write_result
from calibration import ASSUMED, VENDOR, Assumptions, DeviceSnapshot
from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.compiled import CompiledBackend, CompiledNoisyBackend
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions, reduced
from qhw.backends.transpile_cache import transpile_for
from qhw.backends.waiting import with_waits
from qhw.known import open_snapshot

DEVICES = ("fake_brisbane", "fake_torino", "fake_fez", "fake_marrakesh")
CIRCUIT = RingCircuit()
ROWS = 64
Parts = tuple[RingCircuit, DeviceSnapshot, TranspiledCircuit]


def rmse(backend: Any) -> float:
    """Over 64 random inputs, each with weights of its own."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(-np.pi, np.pi, (ROWS, CIRCUIT.num_angles))
    weights = rng.uniform(-np.pi, np.pi, (ROWS, CIRCUIT.num_weights))

    def values(of: Any) -> FloatArray:
        rows = [of.evaluate(a[None], w[None]) for a, w in zip(angles, weights, strict=True)]
        return np.array([row.values[0, 0] for row in rows])

    return float(np.sqrt(((values(backend) - values(CompiledBackend(CIRCUIT))) ** 2).mean()))


def as_early_as_possible(parts: Parts) -> CompiledNoisyBackend:
    """The same circuit with every gate as early as it can be."""
    from qiskit.transpiler import passes

    with patch.object(passes, "ALAPScheduleAnalysis", passes.ASAPScheduleAnalysis):
        return CompiledNoisyBackend(*parts)


def share_of_waiting(parts: Parts) -> float:
    """Of the time from the qubits' first gates to the read-out."""
    _, snapshot, transpiled = parts
    active = transpiled.active_qubits
    scheduled = with_waits(reduced(transpiled.circuit, active), snapshot, active)
    lasts = {(gate.name, gate.qubits): gate.seconds or 0.0 for gate in snapshot.gates}
    begun: set[int] = set()
    waited, busy = 0.0, 0.0
    for item in scheduled.data:
        qubits = tuple(active[scheduled.find_bit(q).index] for q in item.qubits)
        if item.operation.name == "delay":
            waited += item.operation.duration if begun.issuperset(qubits) else 0.0
        else:
            begun |= set(qubits)
            busy += lasts[item.operation.name, qubits] * len(qubits)
    return waited / (waited + busy)


def costs(parts: Parts) -> dict[str, float]:
    """Times that waiting multiplies: of a rollout's step, its derivative, and of opening."""
    rng = np.random.default_rng(1)
    angles = rng.uniform(-3, 3, (100, CIRCUIT.num_angles))
    weights = rng.uniform(-3, 3, (1, CIRCUIT.num_weights))
    upstream = rng.standard_normal((100, CIRCUIT.num_qubits))

    def work(assumed: Assumptions, name: str) -> dict[str, Any]:
        compiled = CompiledNoisyBackend(*parts, assumptions=assumed)
        aer = NoisyAerBackend(*parts, assumptions=assumed)
        return {
            f"compiled, values {name}": lambda: compiled.evaluate(angles, weights),
            f"compiled, gradient {name}": lambda: compiled.vjp(angles, weights[0], upstream),
            f"compiled, opening {name}": lambda: CompiledNoisyBackend(*parts, assumptions=assumed),
            f"aer, values {name}": lambda: aer.evaluate(angles, weights),
        }

    seconds = interleaved({**work(ASSUMED, "alap"), **work(VENDOR, "off")}, rounds=15)
    names = [name.removesuffix(" alap") for name in seconds if name.endswith(" alap")]
    return {name: significant(seconds[f"{name} alap"] / seconds[f"{name} off"]) for name in names}


def of_device(device: str, folder: Path) -> dict[str, Any]:
    snapshot = open_snapshot(device)
    parts = (CIRCUIT, snapshot, transpile_for(CIRCUIT, snapshot, TranspileOptions(), folder))
    return {
        "share of waiting": significant(share_of_waiting(parts)),
        "rmse": {
            "off": significant(rmse(CompiledNoisyBackend(*parts, assumptions=VENDOR))),
            "alap": significant(rmse(CompiledNoisyBackend(*parts))),
            "asap": significant(rmse(as_early_as_possible(parts))),
        },
        "alap / off, CPU seconds": costs(parts),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {device: of_device(device, Path(folder)) for device in DEVICES}
    write_result(__file__, {"rows": ROWS, "devices": found})


if __name__ == "__main__":
    main()
