"""What each mitigation buys for the same number of shots, under two devices' noise.

    python benchmarks/mitigation.py

RMSE of <Z_i> against the ideal over 64 random parameter sets of the default circuit. `exact` has no
shot noise; the columns of shots are totals per evaluation, so extrapolation at two noise scales
gets half of them at each. Affine calibrations (32 circuits x 4,096 shots) come on top, once per
device calibration; each is drawn anew `CALIBRATIONS` times. Gradients: cosine of the
parameter-shift gradient with the ideal one, 1,024 shots per evaluation, mean over 64 random points.
All noise is that of the snapshots: no coherent errors, no crosstalk, no drift.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.timing import significant, write_result
from policy import ExpectationBackend, ParameterShift, RingCircuit
from policy.backend import FloatArray
from qhw.backends.mitigation.fitting import CalibrationInputs, calibration_inputs, ideal_values
from qhw.backends.opening import open_backend
from qhw.config import MethodName

DEVICES = ("fake_brisbane", "fake_marrakesh")
METHODS: dict[MethodName, int] = {"none": 1, "readout": 1, "zne": 2, "affine": 1}
"""Method to the circuits that share an evaluation's shots."""
TOTALS = (None, 1024, 4096)
POINTS, REPEATS, CALIBRATIONS = 64, 20, 10
POINT_SEED = 64
CIRCUIT = RingCircuit()


def open_at(device: str, method: MethodName, total: int | None, seed: int) -> Any:
    shots = total // METHODS[method] if total else None
    return open_backend(
        "aer_noisy", CIRCUIT, device=device, shots=shots, seed=seed, mitigation=method
    )


def squared_error(
    backend: ExpectationBackend, points: CalibrationInputs, ideal: FloatArray
) -> float:
    """Mean over points, repetitions and outputs."""
    total = 0.0
    for angles, weights, expected in zip(*points, ideal, strict=True):
        found = backend.evaluate(np.tile(angles, (REPEATS, 1)), weights[None]).values[0]
        total += float(np.square(found - expected).mean())
    return total / POINTS


def rmse(device: str, method: MethodName, total: int | None) -> float:
    points = calibration_inputs(CIRCUIT, POINTS, POINT_SEED)
    ideal = ideal_values(CIRCUIT, points)
    seeds = range(CALIBRATIONS if total else 1)
    errors = [squared_error(open_at(device, method, total, s), points, ideal) for s in seeds]
    return significant(float(np.mean(errors)) ** 0.5)


def cosine(device: str, method: MethodName, total: int) -> float:
    points = calibration_inputs(CIRCUIT, POINTS, POINT_SEED)
    measured, exact = open_at(device, method, total, 1), open_backend("aer", CIRCUIT)
    upstream = np.random.default_rng(1).standard_normal((POINTS, 1, CIRCUIT.num_qubits))
    found = []
    for k in range(POINTS):
        question = (points.angles[[k]], points.weights[k], upstream[k])
        one, other = (
            ParameterShift().weight_gradient(backend, *question).weights
            for backend in (measured, exact)
        )
        found.append(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    return significant(float(np.mean(found)))


def measure(device: str) -> dict[str, Any]:
    errors = {
        method: {str(total or "exact"): rmse(device, method, total) for total in TOTALS}
        for method in METHODS
    }
    return {
        "two-qubit gates": open_at(device, "none", None, 0).transpiled.two_qubit_gates,
        "RMSE": errors,
        "cosine of gradients, 1024 shots": {m: cosine(device, m, 1024) for m in METHODS},
    }


def main() -> None:
    write_result(__file__, {device: measure(device) for device in DEVICES})


if __name__ == "__main__":
    main()
