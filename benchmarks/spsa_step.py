"""How much of a gradient SPSA finds on average, by its step.

    python -m benchmarks.spsa_step

The mean over 4,000 random signs, projected on the exact gradient, over 12 random weights of
noiseless circuits. Writes benchmarks/spsa_step.json.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.timing import significant, write_result
from policy import RingCircuit
from qhw.backends.compiled import CompiledBackend

CIRCUITS = (RingCircuit(2, 2), RingCircuit(4, 2), RingCircuit(4, 4))
STEPS = (0.1, 0.05, 0.03)
SIGNS, WEIGHTS, ROWS = 4000, 12, 4


def share_found(circuit: RingCircuit, step: float) -> float:
    """Of the gradient's length along itself; 1 where SPSA is unbiased."""
    backend = CompiledBackend(circuit)
    found, whole = 0.0, 0.0
    for seed in range(WEIGHTS):
        rng = np.random.default_rng(seed)
        angles = rng.uniform(-np.pi, np.pi, (ROWS, circuit.num_angles))
        weights = rng.uniform(-np.pi, np.pi, circuit.num_weights)
        upstream = rng.standard_normal((ROWS, circuit.num_qubits))
        gradient = backend.vjp(angles, weights, upstream)
        signs = rng.choice([-1.0, 1.0], (SIGNS, circuit.num_weights))
        values = backend.exact(
            angles, np.concatenate([weights + step * signs, weights - step * signs])
        )
        slopes = np.einsum("wbi,bi->w", values[:SIGNS] - values[SIGNS:], upstream) / (2 * step)
        found += float((slopes[:, None] * signs).mean(axis=0) @ gradient)
        whole += float(gradient @ gradient)
    return found / whole


def main() -> None:
    write_result(
        __file__,
        {
            f"{circuit.num_weights} weights": {
                f"step {step}": significant(share_found(circuit, step)) for step in STEPS
            }
            for circuit in CIRCUITS
        },
    )


if __name__ == "__main__":
    main()
