"""Transpiled circuits, kept on disk per device, so that nothing is ever laid out twice.

An entry is a QPY file and a JSON file beside it. Its key holds everything the result depends on;
calibration is left out on purpose, since a circuit stays valid when errors move: it is laid out
anew only when a fresh layout would score clearly better. QPY is only ever read from this cache,
which this program alone writes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from calibration import DeviceSnapshot
from policy import Ansatz
from qhw.backends.circuit_file import qpy_bytes, read_circuit, read_facts, write_circuit
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions, fresh_layout
from qhw.errors import CacheError, ConfigError, DamagedFileError, OutputError
from qhw.files import make_folder, refusal, replace_file, write_json

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

LOCK_SECONDS = 120.0
FORMAT = 1
RECORDED = ("calibration", "hits")
"""What a hit reads of an entry's facts."""


def transpile_for(
    circuit: Ansatz, snapshot: DeviceSnapshot, options: TranspileOptions, cache_dir: Path
) -> TranspiledCircuit:
    """Read the transpiled circuit from the cache, or lay it out and keep it.

    Raises:
        ConfigError: If the device has fewer qubits than the circuit.
        CacheError: If the cache cannot be written, or another process holds it for too long.
    """
    if circuit.num_qubits > snapshot.num_qubits:
        raise ConfigError.too_wide(circuit.num_qubits, snapshot.name, snapshot.num_qubits)
    folder = cache_dir / snapshot.name
    name = _key(circuit, snapshot, options)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock", timeout=LOCK_SECONDS):
            return _read_or_make(folder / name, circuit, snapshot, options)
    except Timeout as error:
        raise CacheError(
            f"Another process has held {folder / name}.lock for {LOCK_SECONDS:.0f} s.",
            "Wait for it, or `qhw cache clear`.",
        ) from error
    except (OSError, OutputError) as error:
        raise CacheError(
            f"The transpile cache at {folder} cannot be used: {refusal(error)}",
            "Free some space or mend its permissions; `qhw doctor` shows the folder.",
        ) from error


def pinned(
    path: Path, made: Callable[[], TranspiledCircuit], snapshot: DeviceSnapshot
) -> TranspiledCircuit:
    """The circuit a run began with, kept in a file of its own.

    A run that resumes must ask the same question, even if the cache was laid out anew meanwhile.

    Args:
        path: A QPY file; written if it is not there.
        made: Gives the circuit the first time.
        snapshot: Calibration to score under.

    Raises:
        DamagedFileError: If the file cannot be read.
        OutputError: If it cannot be written.
    """
    if path.exists():
        return TranspiledCircuit.of(_pinned_circuit(path), snapshot)
    transpiled = made()
    make_folder(path.parent)
    replace_file(path, qpy_bytes(transpiled.circuit))
    return transpiled


def _pinned_circuit(path: Path) -> QuantumCircuit:
    from qiskit import qpy
    from qiskit.exceptions import QiskitError

    try:
        with path.open("rb") as file:
            return qpy.load(file)[0]
    except (OSError, QiskitError, struct.error, ValueError) as error:
        raise DamagedFileError(
            f"{path} cannot be read: {error}.",
            "What the run asked cannot be asked again: begin a new one from its weights by "
            "`qhw train --from RUN`.",
        ) from error


def kept_layout(
    circuit: Ansatz, snapshot: DeviceSnapshot, options: TranspileOptions, cache_dir: Path
) -> TranspiledCircuit:
    """The cached circuit as it is, scored under a snapshot, however well another would do.

    Looking at an old snapshot must not lay the circuit out for it: runs would follow, and what was
    measured for the layout before would be lost. Laid out and kept only where there is none.

    Raises:
        CacheError: If there is none, and the cache cannot be written.
    """
    stem = cache_dir / snapshot.name / _key(circuit, snapshot, options)
    cached, _ = read_circuit(stem, *RECORDED)
    if cached is not None:
        return TranspiledCircuit.of(cached, snapshot)
    return transpile_for(circuit, snapshot, options, cache_dir)


@dataclass(frozen=True)
class CacheEntry:
    """What `qhw cache ls` shows of one entry.

    Attributes:
        device: Name.
        circuit: Description of the ansatz.
        two_qubit_gates: Their number.
        depth: Longest chain of gates.
        score: Expected error when it was laid out.
        hits: Times it was used.
        miss_reason: Why it was laid out.
        date: When, in seconds since 1970.
    """

    device: str
    circuit: str
    two_qubit_gates: int
    depth: int
    score: float
    hits: int
    miss_reason: str
    date: float


SHOWN: dict[str, Callable[[Any], Any]] = {
    "device": str,
    "circuit": str,
    "two_qubit_gates": int,
    "depth": int,
    "score": float,
    "hits": int,
    "miss_reason": str,
    "date": float,
}
"""Types of an entry's facts."""


def list_entries(cache_dir: Path) -> list[CacheEntry]:
    """Every entry, newest first."""
    entries = map(_entry, cache_dir.glob("*/*.json"))
    return sorted(entries, key=lambda entry: -entry.date)


def _read_or_make(
    stem: Path, circuit: Ansatz, snapshot: DeviceSnapshot, options: TranspileOptions
) -> TranspiledCircuit:
    stored, reason = read_circuit(stem, *RECORDED)
    if stored is None:
        return _write(stem, circuit, snapshot, fresh_layout(circuit, snapshot, options, reason))
    cached = TranspiledCircuit.of(stored, snapshot)
    if read_facts(stem)["calibration"] == snapshot.calibration_digest:
        return _count_hit(stem, cached)
    fresh = fresh_layout(circuit, snapshot, options)
    if cached.score <= options.relayout_factor * fresh.score:
        return _count_hit(stem, cached, calibration=snapshot.calibration_digest)
    reason = f"cached layout scores {cached.score:.3f}, a fresh one {fresh.score:.3f}"
    return _write(stem, circuit, snapshot, replace(fresh, miss_reason=reason))


def _key(circuit: Ansatz, snapshot: DeviceSnapshot, options: TranspileOptions) -> str:
    import qiskit

    parts = [FORMAT, circuit.digest, snapshot.name, snapshot.structure_digest, asdict(options)]
    text = json.dumps([*parts, qiskit.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _write(
    stem: Path, circuit: Ansatz, snapshot: DeviceSnapshot, made: TranspiledCircuit
) -> TranspiledCircuit:
    """Keep a circuit with what `qhw cache ls` shows of it."""
    facts = {
        "device": snapshot.name,
        "circuit": circuit.summary,
        "two_qubit_gates": made.two_qubit_gates,
        "depth": made.depth,
        "layout": list(made.output_qubits),
        "score": made.score,
        "hits": 0,
        "miss_reason": made.miss_reason,
        "date": time.time(),
        "calibration": snapshot.calibration_digest,
    }
    write_circuit(stem, made.circuit, facts)
    return made


def _count_hit(stem: Path, cached: TranspiledCircuit, **changes: Any) -> TranspiledCircuit:
    facts = read_facts(stem)
    write_json(stem.with_suffix(".json"), {**facts, **changes, "hits": facts["hits"] + 1})
    return cached


def _entry(path: Path) -> CacheEntry:
    """Read an entry's facts; a damaged one says so, and is replaced when it is next asked for."""
    facts = read_facts(path)
    try:
        return CacheEntry(**{name: kind(facts[name]) for name, kind in SHOWN.items()})
    except (KeyError, TypeError, ValueError):
        name = f"damaged: {path.name}"
        return CacheEntry(path.parent.name, name, 0, 0, 0.0, 0, "damaged", path.stat().st_mtime)
