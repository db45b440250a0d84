"""How much error a placement of a circuit on physical qubits collects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibration.snapshot import DeviceSnapshot

Edges = dict[tuple[int, ...], float]
"""Error of every two-qubit gate, by its physical qubits."""
Operation = tuple[str, tuple[int, ...]]
"""A gate's name and its physical qubits."""


def quiet_region(snapshot: DeviceSnapshot, size: int) -> tuple[int, ...]:
    """Connected qubits of little error, grown greedily from every two-qubit gate.

    Args:
        snapshot: The device.
        size: Qubits wanted, at least 2.

    Returns:
        Physical qubits, rising.

    Raises:
        ValueError: If the device has no connected set of that size.
    """
    edges: Edges = {
        gate.qubits: gate.error or 0.0 for gate in snapshot.gates if len(gate.qubits) == 2
    }
    starts = edges if size <= snapshot.num_qubits else ()
    grown = [_grow(snapshot, edges, edge, size) for edge in starts]
    complete = [region for region in grown if len(region[1]) == size]
    if not complete:
        raise ValueError(f"{snapshot.name} has no {size} connected qubits: take fewer")
    return tuple(sorted(min(complete)[1]))


def uncalibrated(
    snapshot: DeviceSnapshot, operations: Iterable[Operation]
) -> tuple[Operation, ...]:
    """The gates among these that are published as failing always: they could not be calibrated."""
    lost = {(gate.name, gate.qubits) for gate in snapshot.gates if not gate.usable}
    return tuple(sorted(lost.intersection(operations)))


def expected_error(
    snapshot: DeviceSnapshot, operations: Iterable[Operation], measured: Sequence[int]
) -> float:
    """Probability that at least one gate or read-out errs, taking errors as independent.

    Args:
        snapshot: Calibration to score under.
        operations: The transpiled circuit's gates.
        measured: Physical qubits that are read out.

    Returns:
        In [0, 1]; lower is better.

    Raises:
        ValueError: If a gate is not in the snapshot.
    """
    errors = {(gate.name, gate.qubits): gate.error or 0.0 for gate in snapshot.gates}
    survival = 1.0
    for operation in operations:
        if operation not in errors:
            raise ValueError(f"{snapshot.name} has no gate {operation}: transpile for it first")
        survival *= 1 - errors[operation]
    for qubit in measured:
        survival *= 1 - snapshot.qubits[qubit].readout_error
    return 1 - survival


def _grow(
    snapshot: DeviceSnapshot, edges: Edges, start: tuple[int, ...], size: int
) -> tuple[float, list[int]]:
    """Add the neighbour of least gate and read-out error until the region is large enough."""
    region = list(start)
    cost = edges[start] + sum(snapshot.qubits[qubit].readout_error for qubit in start)
    while len(region) < size:
        steps = [
            (error + snapshot.qubits[new].readout_error, new)
            for (one, other), error in edges.items()
            for new, old in ((one, other), (other, one))
            if old in region and new not in region
        ]
        if not steps:
            break
        added, qubit = min(steps)
        cost += added
        region.append(qubit)
    return cost, region
