"""A local device's answers, compiled and by Aer.

    python -m benchmarks.local_device

The default circuit in its layout for each device: CPU seconds, medians, in turn in one process, of
the distributions of 100 rows once the circuit is ready. Writes benchmarks/local_device.json.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.timing import interleaved, significant, write_result
from policy import RingCircuit
from qhw.backends.compiled import CompileError
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.jobs.local import device as local
from qhw.jobs.request import Pub
from qhw.known import open_snapshot

DEVICES = ("fake_brisbane", "fake_fez", "fake_marrakesh")
ROWS = 100
CIRCUIT = RingCircuit()


def ratio(device: str, folder: Path) -> dict[str, float]:
    snapshot = open_snapshot(device)
    transpiled = transpile_for(CIRCUIT, snapshot, TranspileOptions(), folder)
    width = CIRCUIT.num_angles + CIRCUIT.num_weights
    rows = np.random.default_rng(0).uniform(-3, 3, (ROWS, width))
    pub = Pub(transpiled.circuit, transpiled.output_qubits, rows)
    compiled = local._prepared(pub, snapshot)
    with patch.object(local, "CompiledCircuit", side_effect=CompileError("left out", "")):
        aer = local._prepared(pub, snapshot)
    assert np.abs(compiled.probabilities(rows) - aer.probabilities(rows)).max() < 1e-9
    seconds = interleaved(
        {"compiled": lambda: compiled.probabilities(rows), "aer": lambda: aer.probabilities(rows)},
        rounds=9,
    )
    return {
        "active qubits": len(transpiled.active_qubits),
        "compiled, ms per circuit": significant(1000 * seconds["compiled"] / ROWS),
        "aer, ms per circuit": significant(1000 * seconds["aer"] / ROWS),
        "ratio": significant(seconds["aer"] / seconds["compiled"]),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_result(__file__, {device: ratio(device, Path(folder)) for device in DEVICES})


if __name__ == "__main__":
    main()
