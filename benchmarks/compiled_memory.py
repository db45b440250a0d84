"""Memory of the largest noisy gradient: 8 qubits, depth 2, 2,048 samples on Brisbane's snapshot.

    python -m benchmarks.compiled_memory

A process of its own, since the largest resident size never falls: it is read after every stage.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import tempfile
from pathlib import Path

from benchmarks.compiled_engine import draw
from benchmarks.timing import significant, write_result
from policy import RingCircuit
from qhw.backends.compiled import CompiledNoisyBackend
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot

DEVICE, BATCH = "fake_brisbane", 2048


def largest_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    circuit = RingCircuit(8, 2)
    stages = {"libraries": largest_mib()}
    with tempfile.TemporaryDirectory() as name:
        snapshot = open_snapshot(DEVICE)
        transpiled = transpile_for(circuit, snapshot, TranspileOptions(), Path(name))
    stages["libraries and transpiled circuit"] = largest_mib()
    compiled = CompiledNoisyBackend(circuit, snapshot, transpiled)
    stages["and compiled program"] = largest_mib()
    compiled.vjp(*draw(circuit, BATCH))
    stages["and gradient"] = largest_mib()
    before = stages["libraries and transpiled circuit"]
    added = stages["and gradient"] - before
    rounded = {stage: significant(mib) for stage, mib in stages.items()}
    write_result(
        __file__, {"largest resident, MiB": rounded, "of it the engine's, MiB": significant(added)}
    )


if __name__ == "__main__":
    main()
