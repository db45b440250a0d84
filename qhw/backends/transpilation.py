"""A circuit in a device's own gates, laid out on the qubits where least is expected to go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from calibration import DeviceSnapshot, expected_error, quiet_region, uncalibrated
from calibration.layout import Operation
from policy import Ansatz
from qhw.errors import BackendUnavailableError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

SIMULATED_QUBITS = 8
"""As many as a density matrix can hold; see `qhw.backends.aer`."""


@dataclass(frozen=True)
class TranspileOptions:
    """How a circuit is laid out.

    Attributes:
        optimization_level: The transpiler's, 0 to 3.
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

    @classmethod
    def of(
        cls, circuit: QuantumCircuit, snapshot: DeviceSnapshot, miss_reason: str = ""
    ) -> TranspiledCircuit:
        """Say what the transpiler made, scored under a snapshot."""
        gates = operations(circuit)
        outputs = tuple(circuit.layout.final_index_layout())
        active = {qubit for _, qubits in gates for qubit in qubits} | set(outputs)
        return cls(
            circuit=circuit,
            active_qubits=tuple(sorted(active)),
            output_qubits=outputs,
            two_qubit_gates=sum(len(qubits) == 2 for _, qubits in gates),
            depth=circuit.depth(),
            score=expected_error(snapshot, gates, outputs),
            from_cache=not miss_reason,
            miss_reason=miss_reason,
        )

    @property
    def two_qubit_pairs(self) -> frozenset[tuple[int, int]]:
        """Physical qubits that its two-qubit gates act on, the smaller first."""
        places = [qubits for _, qubits in operations(self.circuit) if len(qubits) == 2]
        return frozenset((min(place), max(place)) for place in places)


def fresh_layout(
    circuit: Ansatz,
    snapshot: DeviceSnapshot,
    options: TranspileOptions,
    reason: str = "asked for",
) -> TranspiledCircuit:
    """The best of all seeds under a snapshot, made now and not kept; `reason` says why.

    Where every layout takes more qubits than can be simulated and the circuit itself does not, it
    is laid out again on the quietest region that can.

    Raises:
        BackendUnavailableError: If Qiskit's transpiler fails on the device.
    """
    source = circuit.quantum_circuit()
    best = _by_rank(source, snapshot, snapshot, options)[0]
    if len(best.active_qubits) > SIMULATED_QUBITS >= circuit.num_qubits:
        region = set(quiet_region(snapshot, SIMULATED_QUBITS))
        # With two-qubit gates inside the region alone, routing stays there.
        gates = tuple(
            g for g in snapshot.gates if len(g.qubits) == 1 or region.issuperset(g.qubits)
        )
        best = _by_rank(source, replace(snapshot, gates=gates), snapshot, options)[0]
    return replace(best, miss_reason=reason)


def ranked_layouts(
    circuit: Ansatz, snapshot: DeviceSnapshot, options: TranspileOptions
) -> list[TranspiledCircuit]:
    """What the transpiler's seeds come to, best first; each choice of qubits once."""
    best: dict[tuple[int, ...], TranspiledCircuit] = {}
    for layout in ranked_seeds(circuit, snapshot, options):
        best.setdefault(layout.active_qubits, layout)
    return list(best.values())


def ranked_seeds(
    circuit: Ansatz, snapshot: DeviceSnapshot, options: TranspileOptions
) -> list[TranspiledCircuit]:
    """What each of the transpiler's seeds comes to, best first."""
    return _by_rank(circuit.quantum_circuit(), snapshot, snapshot, options)


def layouts_apart(
    circuit: Ansatz,
    snapshot: DeviceSnapshot,
    first: TranspiledCircuit,
    count: int,
    options: TranspileOptions,
) -> list[TranspiledCircuit]:
    """A layout, then the best one on two-qubit gates between qubits that it leaves free, and so on.

    Seeds of the transpiler agree on the best few qubits; these say what the rest of a device is
    worth. There are fewer than `count` where there is no place for more.
    """
    found = [first]
    while len(found) < count:
        used = {qubit for layout in found for qubit in layout.active_qubits}
        free = tuple(g for g in snapshot.gates if len(g.qubits) == 1 or used.isdisjoint(g.qubits))
        try:
            offered = replace(snapshot, gates=free)
            found.append(_by_rank(circuit.quantum_circuit(), offered, snapshot, options)[0])
        except BackendUnavailableError:  # what is left is too small, or in pieces
            break
    return found


def operations(circuit: QuantumCircuit) -> list[Operation]:
    """Every gate's name and the qubits it acts on, in order."""
    return [
        (item.operation.name, tuple(circuit.find_bit(q).index for q in item.qubits))
        for item in circuit.data
    ]


def parameter_columns(circuit: QuantumCircuit, num_angles: int) -> list[int]:
    """Column in rows of angles and weights of each parameter, in the circuit's own order."""
    start = {"angle": 0, "weight": num_angles}
    return [start[p.vector.name] + p.index for p in circuit.parameters]


def reduced(circuit: QuantumCircuit, active: Sequence[int]) -> QuantumCircuit:
    """The same gates on the active qubits alone, renumbered 0, 1, ... in the given order."""
    from qiskit import QuantumCircuit

    position = {qubit: index for index, qubit in enumerate(active)}
    small = QuantumCircuit(len(active), global_phase=circuit.global_phase)
    for item in circuit.data:
        qubits = [position[circuit.find_bit(q).index] for q in item.qubits]
        small.append(item.operation, qubits)
    return small


def uncalibrated_gates(snapshot: DeviceSnapshot, transpiled: TranspiledCircuit) -> str:
    """Tell which gates are published with an error of 100 %; empty if none is."""
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
    lost = uncalibrated_gates(snapshot, transpiled)
    if lost:
        raise BackendUnavailableError(
            f"{lost}.",
            "Wait for the device's next calibration, or take another: `qhw devices` ranks them.",
        )


def _by_rank(
    source: QuantumCircuit,
    offered: DeviceSnapshot,
    snapshot: DeviceSnapshot,
    options: TranspileOptions,
) -> list[TranspiledCircuit]:
    """One layout of every seed, best first: laid out on the offered gates, judged by all errors.

    Qubits beyond what a density matrix can hold count first, expected error second.
    """
    from qiskit import transpile
    from qiskit.transpiler.exceptions import TranspilerError

    target = offered.target()
    level = options.optimization_level
    try:
        made = [
            transpile(source, target=target, optimization_level=level, seed_transpiler=seed)
            for seed in range(options.seeds)
        ]
    except TranspilerError as error:
        raise BackendUnavailableError(
            f"Qiskit's transpiler cannot lay the circuit out on {snapshot.name}: {error.message}",
            "Take another device: `qhw devices` ranks them.",
        ) from error
    layouts = [TranspiledCircuit.of(circuit, snapshot, "asked for") for circuit in made]
    return sorted(layouts, key=lambda x: (max(0, len(x.active_qubits) - SIMULATED_QUBITS), x.score))
