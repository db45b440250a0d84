"""How much of a small noisy gradient is Python's dispatch, and what was done to take it down.

    python -m benchmarks.dispatch

Default circuit on Brisbane's snapshot, CPU milliseconds on one thread, medians. Two steps are timed
with and without: all chains of one-qubit gates multiplied in one batched product, against one chain
after the other; and parameter shift that shares what its weight sets have in common, against one
pull-back per weight set.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.compiled_engine import draw
from benchmarks.timing import Work, interleaved, significant, write_result
from policy import ParameterShift, RingCircuit
from qhw.backends.compiled import CompiledNoisyBackend
from qhw.backends.compiled import backend as compiled_backend
from qhw.backends.compiled.engine import chain_matrices, single_chains
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot

DEVICE, BATCH, ROUNDS = "fake_brisbane", 64, 51


def peers(circuit: RingCircuit, compiled: CompiledNoisyBackend) -> dict[str, Work]:
    angles, weights, upstream = draw(circuit, BATCH)
    chains = compiled.program.chains
    each = [np.array([index]) for index in range(len(chains.constants))]

    def shift() -> object:
        return ParameterShift().weight_gradient(compiled, angles, weights, upstream)

    def shift_alone() -> object:
        with patch.object(compiled_backend, "FEWEST_NEIGHBOURS", 10**9):
            return shift()

    return {
        "adjoint, B = 1": lambda: compiled.vjp(angles[:1], weights, upstream[:1]),
        f"adjoint, B = {BATCH}": lambda: compiled.vjp(angles, weights, upstream),
        "chains in one batch": lambda: chain_matrices(chains, weights[None]),
        "chains one by one": lambda: [single_chains(chains, weights[None], one) for one in each],
        "shift, shared": shift,
        "shift, one pull-back per set": shift_alone,
    }


def main() -> None:
    circuit = RingCircuit()
    snapshot = open_snapshot(DEVICE)
    with tempfile.TemporaryDirectory() as name:
        transpiled = transpile_for(circuit, snapshot, TranspileOptions(), Path(name))
    compiled = CompiledNoisyBackend(circuit, snapshot, transpiled)
    seconds = interleaved(peers(circuit, compiled), ROUNDS)
    build = interleaved(
        {"build": lambda: CompiledNoisyBackend(circuit, snapshot, transpiled)}, rounds=9
    )
    share = seconds["adjoint, B = 1"] / seconds[f"adjoint, B = {BATCH}"]
    write_result(
        __file__,
        {
            "two-qubit steps": len(compiled.program.steps),
            "chains": len(compiled.program.chains.constants),
            "ms": {name: significant(1000 * value) for name, value in seconds.items()},
            f"share of a gradient of {BATCH} that a gradient of 1 costs": significant(share, 2),
            "building the program, warm, ms": significant(1000 * build["build"]),
        },
    )


if __name__ == "__main__":
    main()
