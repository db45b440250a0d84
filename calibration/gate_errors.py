"""Gate errors taken apart: decay by T1 and T2, and the depolarising rest.

The vendor's noise model chooses the rest so that both together have the published infidelity. At
full severity this gives its channels; see `tests/calibration/test_severity.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from calibration.severity import Severity

if TYPE_CHECKING:
    from qiskit.transpiler import Target
    from qiskit_aer.noise import QuantumError

GateError = tuple[str, tuple[int, ...], "QuantumError"]
"""A gate's name, its qubits, and what follows it."""


def gate_errors(target: Target, severity: Severity) -> Iterator[GateError]:
    """What follows every gate of a target whose kinds of noise are taken so strongly."""
    from qiskit.circuit import Gate

    for name in target.operation_names:
        for qubits, facts in (target[name] or {}).items():
            if facts is None or not isinstance(target.operation_from_name(name), Gate):
                continue
            error = _gate_error(target, qubits, facts.error, facts.duration or 0.0, severity)
            if error is not None:
                yield name, qubits, error


def _gate_error(
    target: Target,
    qubits: tuple[int, ...],
    published: float | None,
    seconds: float,
    severity: Severity,
) -> QuantumError | None:
    from qiskit_aer.noise import depolarizing_error

    times = severity.one_qubit if len(qubits) == 1 else severity.two_qubit
    rest = _depolarising(target, qubits, published or 0.0, seconds)
    lost = min(times * rest, max(rest, 1.0))
    depolarised = depolarizing_error(lost, len(qubits)) if lost else None
    decayed = _relaxation(target, qubits, severity.decay * seconds)
    if depolarised is None or decayed is None:
        return depolarised or decayed
    return depolarised.compose(decayed)


def _depolarising(
    target: Target, qubits: tuple[int, ...], published: float, seconds: float
) -> float:
    """Depolarising probability that makes up a published infidelity, as the vendor's model does."""
    from qiskit.quantum_info import average_gate_fidelity

    decayed = _relaxation(target, qubits, seconds)
    kept = 1.0 if decayed is None else float(average_gate_fidelity(decayed))
    size: int = 2 ** len(qubits)
    error = min(published, size / (size + 1))
    if error <= 1 - kept:
        return 0.0
    rest = size * (error - (1 - kept)) / (size * kept - 1)
    return min(rest, size**2 / (size**2 - 1))


def _relaxation(target: Target, qubits: tuple[int, ...], seconds: float) -> QuantumError | None:
    """Decay of the qubits for so long, each by itself; T2 stops at 2 T1."""
    from qiskit_aer.noise import thermal_relaxation_error

    error = None
    for qubit in qubits if seconds else ():
        facts = target.qubit_properties[qubit]
        t1 = math.inf if facts.t1 is None else facts.t1
        t2 = min(math.inf if facts.t2 is None else facts.t2, 2 * t1)
        single = thermal_relaxation_error(t1, t2, seconds)
        error = single if error is None else error.expand(single)
    return error
