"""A cached circuit against a fresh transpilation, in one process, imports excluded.

    python benchmarks/transpile_cache.py

Fresh: best of 20 layouts on the device. Cached: read from the disk and scored under the current
calibration. CPU seconds, medians.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.timing import interleaved, significant, write_result
from policy import RingCircuit
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot

DEVICES = ("fake_brisbane", "fake_fez")


def measure(device: str, folder: Path) -> dict[str, float]:
    circuit, snapshot, options = RingCircuit(), open_snapshot(device), TranspileOptions()
    kept = folder / "kept"
    transpile_for(circuit, snapshot, options, kept)
    count = iter(range(1000))
    seconds = interleaved(
        {
            "fresh": lambda: transpile_for(circuit, snapshot, options, folder / str(next(count))),
            "cached": lambda: transpile_for(circuit, snapshot, options, kept),
        },
        rounds=5,
    )
    return {
        "fresh, s": significant(seconds["fresh"]),
        "cached, s": significant(seconds["cached"]),
        "times faster": significant(seconds["fresh"] / seconds["cached"]),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_result(__file__, {name: measure(name, Path(folder) / name) for name in DEVICES})


if __name__ == "__main__":
    main()
