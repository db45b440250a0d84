"""Transpiled circuits, kept on disk per device, so that nothing is ever laid out twice.

An entry is a QPY file and a JSON file beside it. Its key holds everything the result depends on;
calibration is left out on purpose, since a circuit stays valid when errors move: it is laid out
anew only when a fresh layout would score clearly better. QPY is only ever read from this cache,
which this program alone writes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from calibration import DeviceSnapshot, expected_error, quiet_region, uncalibrated
from calibration.layout import Operation
from policy import RingCircuit
from qhw.backends.circuit_file import qpy_bytes, read_circuit, write_circuit
from qhw.errors import BackendUnavailableError, CacheError, ConfigError
from qhw.files import replace_file, write_json

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

LOCK_SECONDS = 120.0
FORMAT = 1
SIMULATED_QUBITS = 8


@dataclass(frozen=True)
class TranspileOptions:
    """How a circuit is laid out.

    Attributes:
        optimization_level: Of the transpiler, 0 to 3.
        seeds: Seeds tried; the one of least expected error is kept.
        relayout_factor: Lay out anew if the cached layout scores this many times worse than a
            fresh one under the current calibration.
    """

    optimization_level: int = 3
    seeds: int = 20
    relayout_factor: float = 1.2


@dataclass(frozen=True)
class TranspiledCircuit:
    """A circuit in a device's own gates.

    Attributes:
        circuit: On all the device's qubits, parameters unbound, without measurements.
        active_qubits: Physical qubits that carry gates, rising.
        output_qubits: Physical qubit that ends up holding each virtual one.
        two_qubit_gates: Their number.
        depth: Longest chain of gates.
        score: Expected error under the snapshot's calibration, in [0, 1].
        from_cache: Whether it was read from the disk.
        miss_reason: Why it was not; empty on a hit.
    """

    circuit: QuantumCircuit
    active_qubits: tuple[int, ...]
    output_qubits: tuple[int, ...]
    two_qubit_gates: int
    depth: int
    score: float
    from_cache: bool
    miss_reason: str


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


def transpile_for(
    circuit: RingCircuit,
    snapshot: DeviceSnapshot,
    options: TranspileOptions,
    cache_dir: Path,
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
    except OSError as error:
        raise CacheError(
            f"The transpile cache at {folder} cannot be used: {error}",
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
    """
    from qiskit import qpy

    if path.exists():
        with path.open("rb") as file:
            return _describe(qpy.load(file)[0], snapshot, "")
    transpiled = made()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, qpy_bytes(transpiled.circuit))
    return transpiled


def kept_layout(
    circuit: RingCircuit, snapshot: DeviceSnapshot, options: TranspileOptions, cache_dir: Path
) -> TranspiledCircuit:
    """The cached circuit as it is, scored under a snapshot, however well another would do.

    Looking at an old snapshot must not lay the circuit out for it: runs would follow, and what was
    measured for the layout before would be lost. Laid out and kept only where there is none.

    Raises:
        CacheError: If there is none, and the cache cannot be written.
    """
    stem = cache_dir / snapshot.name / _key(circuit, snapshot, options)
    cached, _ = read_circuit(stem)
    if cached is not None:
        return _describe(cached, snapshot, "")
    return transpile_for(circuit, snapshot, options, cache_dir)


def fresh_layout(
    circuit: RingCircuit, snapshot: DeviceSnapshot, options: TranspileOptions
) -> TranspiledCircuit:
    """The best layout under a snapshot, made now and not kept."""
    return _describe(_best_layout(circuit, snapshot, options), snapshot, "asked for")


def ranked_layouts(
    circuit: RingCircuit, snapshot: DeviceSnapshot, options: TranspileOptions
) -> list[TranspiledCircuit]:
    """What the transpiler's seeds come to, best first; each choice of qubits once."""
    made = _candidates(circuit.quantum_circuit(), snapshot, options)
    made.sort(key=lambda candidate: _rank(candidate, snapshot))
    best: dict[tuple[int, ...], TranspiledCircuit] = {}
    for candidate in made:
        described = _describe(candidate, snapshot, "asked for")
        best.setdefault(described.active_qubits, described)
    return list(best.values())


def two_qubit_pairs(transpiled: TranspiledCircuit) -> frozenset[tuple[int, int]]:
    """Physical qubits that the circuit's two-qubit gates act on, the smaller first."""
    places = [qubits for _, qubits in operations(transpiled.circuit) if len(qubits) == 2]
    return frozenset((min(place), max(place)) for place in places)


def operations(circuit: QuantumCircuit) -> list[Operation]:
    """Every gate's name and the qubits it acts on, in order."""
    return [
        (item.operation.name, tuple(circuit.find_bit(q).index for q in item.qubits))
        for item in circuit.data
    ]


def list_entries(cache_dir: Path) -> list[CacheEntry]:
    """Every entry, newest first."""
    entries = []
    for path in cache_dir.glob("*/*.json"):
        entries.append(_entry(path))
    return sorted(entries, key=lambda entry: -entry.date)


def _entry(path: Path) -> CacheEntry:
    """Read an entry's facts; a damaged one says so, and is replaced when it is next asked for."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return CacheEntry(**{field: facts[field] for field in _ENTRY_FIELDS})
    except (json.JSONDecodeError, KeyError):
        name = f"damaged: {path.name}"
        return CacheEntry(path.parent.name, name, 0, 0, 0.0, 0, "damaged", path.stat().st_mtime)


_ENTRY_FIELDS = tuple(CacheEntry.__dataclass_fields__)


def _read_or_make(
    stem: Path, circuit: RingCircuit, snapshot: DeviceSnapshot, options: TranspileOptions
) -> TranspiledCircuit:
    cached, reason = read_circuit(stem)
    if cached is not None:
        found = _describe(cached, snapshot, "")
        facts = _facts(stem)
        if facts["calibration"] == snapshot.calibration_digest:
            return _count_hit(stem, found)
        fresh = _describe(_best_layout(circuit, snapshot, options), snapshot, "recalibrated")
        if found.score <= options.relayout_factor * fresh.score:
            _update_facts(stem, calibration=snapshot.calibration_digest)
            return _count_hit(stem, found)
        reason = f"cached layout scores {found.score:.3f}, a fresh one {fresh.score:.3f}"
        _write(stem, fresh.circuit, circuit, snapshot, fresh, reason)
        return _describe(fresh.circuit, snapshot, reason)
    made = _describe(_best_layout(circuit, snapshot, options), snapshot, reason)
    _write(stem, made.circuit, circuit, snapshot, made, reason)
    return made


def _best_layout(
    circuit: RingCircuit, snapshot: DeviceSnapshot, options: TranspileOptions
) -> QuantumCircuit:
    """Transpile with every seed; keep the least expected error."""
    source = circuit.quantum_circuit()
    best = _best_seed(source, snapshot, snapshot, options)
    if len(_describe(best, snapshot, "").active_qubits) <= SIMULATED_QUBITS:
        return best
    if circuit.num_qubits > SIMULATED_QUBITS:
        return best
    region = quiet_region(snapshot, SIMULATED_QUBITS)
    return _best_seed(source, _confined(snapshot, region), snapshot, options)


def _best_seed(
    source: QuantumCircuit,
    offered: DeviceSnapshot,
    snapshot: DeviceSnapshot,
    options: TranspileOptions,
) -> QuantumCircuit:
    """Lay out on the offered gates; judge by the whole device's errors."""
    candidates = _candidates(source, offered, options)
    return min(candidates, key=lambda candidate: _rank(candidate, snapshot))


def _candidates(
    source: QuantumCircuit, offered: DeviceSnapshot, options: TranspileOptions
) -> list[QuantumCircuit]:
    """One for every seed."""
    from qiskit import transpile

    target = offered.target()
    return [
        transpile(
            source,
            target=target,
            optimization_level=options.optimization_level,
            seed_transpiler=seed,
        )
        for seed in range(options.seeds)
    ]


def _confined(snapshot: DeviceSnapshot, region: Sequence[int]) -> DeviceSnapshot:
    """The device with two-qubit gates inside a region alone, so that routing stays there."""
    inside = set(region)
    gates = tuple(g for g in snapshot.gates if len(g.qubits) == 1 or inside.issuperset(g.qubits))
    return dataclasses.replace(snapshot, gates=gates)


def _rank(candidate: QuantumCircuit, snapshot: DeviceSnapshot) -> tuple[int, float]:
    """Qubits beyond what a density matrix can hold count first, expected error second."""
    described = _describe(candidate, snapshot, "")
    return max(0, len(described.active_qubits) - SIMULATED_QUBITS), described.score


def _describe(circuit: QuantumCircuit, snapshot: DeviceSnapshot, reason: str) -> TranspiledCircuit:
    gates = operations(circuit)
    outputs = tuple(circuit.layout.final_index_layout())
    active = {qubit for _, qubits in gates for qubit in qubits} | set(outputs)
    return TranspiledCircuit(
        circuit=circuit,
        active_qubits=tuple(sorted(active)),
        output_qubits=outputs,
        two_qubit_gates=sum(len(qubits) == 2 for _, qubits in gates),
        depth=circuit.depth(),
        score=expected_error(snapshot, gates, outputs),
        from_cache=not reason,
        miss_reason=reason,
    )


def _key(circuit: RingCircuit, snapshot: DeviceSnapshot, options: TranspileOptions) -> str:
    import qiskit

    parts = [FORMAT, circuit.digest, snapshot.name, snapshot.structure_digest, asdict(options)]
    text = json.dumps([*parts, qiskit.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _write(
    stem: Path,
    circuit: QuantumCircuit,
    source: RingCircuit,
    snapshot: DeviceSnapshot,
    made: TranspiledCircuit,
    reason: str,
) -> None:
    facts = {
        "device": snapshot.name,
        "circuit": (
            f"{source.num_qubits} qubits, depth {source.depth}, {source.encoding}, "
            f"{source.entanglement}"
        ),
        "two_qubit_gates": made.two_qubit_gates,
        "depth": made.depth,
        "layout": list(made.output_qubits),
        "score": made.score,
        "hits": 0,
        "miss_reason": reason,
        "date": time.time(),
        "calibration": snapshot.calibration_digest,
    }
    write_circuit(stem, circuit, facts)


def _facts(stem: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    return facts


def _update_facts(stem: Path, **changes: Any) -> None:
    facts = {**_facts(stem), **changes}
    write_json(stem.with_suffix(".json"), facts)


def _count_hit(stem: Path, found: TranspiledCircuit) -> TranspiledCircuit:
    _update_facts(stem, hits=_facts(stem)["hits"] + 1)
    return found


def reduced(circuit: QuantumCircuit, active: Sequence[int]) -> QuantumCircuit:
    """The same gates on the active qubits alone, renumbered 0, 1, ... in the given order."""
    from qiskit import QuantumCircuit

    position = {qubit: index for index, qubit in enumerate(active)}
    small = QuantumCircuit(len(active), global_phase=circuit.global_phase)
    for item in circuit.data:
        qubits = [position[circuit.find_bit(q).index] for q in item.qubits]
        small.append(item.operation, qubits)
    return small


def told_uncalibrated(snapshot: DeviceSnapshot, transpiled: TranspiledCircuit) -> str:
    """Which of a circuit's gates are published with an error of 100 %; empty if none is."""
    lost = uncalibrated(snapshot, operations(transpiled.circuit))
    if not lost:
        return ""
    name, qubits = lost[0]
    more = f" and {len(lost) - 1} more of the circuit's gates" if len(lost) > 1 else ""
    return (
        f"{snapshot.name} publishes an error of 100 % for {name} on "
        f"{'-'.join(map(str, qubits))}{more}: not calibrated, and no layout that was tried does "
        "without such gates"
    )


def refuse_uncalibrated(snapshot: DeviceSnapshot, transpiled: TranspiledCircuit) -> None:
    """Refuse to pay for answers that mean nothing.

    Raises:
        BackendUnavailableError: If the circuit uses such a gate.
    """
    told = told_uncalibrated(snapshot, transpiled)
    if told:
        raise BackendUnavailableError(
            f"{told}.",
            "Wait for the device's next calibration, or take another: `qhw devices` ranks them.",
        )
