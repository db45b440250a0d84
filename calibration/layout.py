"""How much error a placement of a circuit on physical qubits collects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibration.snapshot import DeviceSnapshot

Operation = tuple[str, tuple[int, ...]]
"""A gate's name and its physical qubits."""


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
