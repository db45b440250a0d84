"""What the default circuit costs on devices that can be had: on a square lattice, and on others.

    python -m benchmarks.lattice

Of each snapshot: two-qubit gates over 20 seeds of the transpiler; of the layout that is played its
expected error by gates and by read-out, and the RMSE of <Z> against the noiseless values over 64
random inputs and weights, exact values: as they are, with read-out inverted, with the affine map.
Writes benchmarks/lattice.json.
"""

from __future__ import annotations

import math
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.idle import CIRCUIT, rmse
from benchmarks.timing import significant, write_result
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import TranspileOptions, operations, ranked_seeds
from qhw.backends.transpile_cache import kept_layout
from qhw.config import MethodName
from qhw.files import Cache
from qhw.known import open_snapshot

DEVICES = (
    "fake_miami", "fake_boston", "fake_pittsburgh", "fake_kingston", "fake_fez", "fake_marrakesh",
)  # fmt: skip
METHODS: tuple[MethodName, ...] = ("none", "readout", "affine")


def of_device(device: str) -> dict[str, object]:
    snapshot = open_snapshot(device)
    options = TranspileOptions()
    counts = sorted(layout.two_qubit_gates for layout in ranked_seeds(CIRCUIT, snapshot, options))
    played = kept_layout(CIRCUIT, snapshot, options, Cache.of_user().transpiled)
    errors = {(gate.name, gate.qubits): gate.error or 0.0 for gate in snapshot.gates}
    gates = math.prod(1 - errors[each] for each in operations(played.circuit))
    read = math.prod(1 - snapshot.qubits[q].readout_error for q in played.output_qubits)
    left = {
        method: significant(
            rmse(open_backend("aer_noisy", CIRCUIT, device=device, mitigation=method))
        )
        for method in METHODS
    }
    return {
        "calibrated": snapshot.taken_at[:10],
        "two-qubit gates of 20 seeds": [counts[0], counts[len(counts) // 2], counts[-1]],
        "two-qubit gates": played.two_qubit_gates,
        "expected error of gates": significant(1 - gates),
        "expected error of read-out": significant(1 - read),
        "RMSE": left,
    }


def main() -> None:
    write_result(__file__, {device: of_device(device) for device in DEVICES})


if __name__ == "__main__":
    main()
