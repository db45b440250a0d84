"""A transpiled circuit with its noise multiplied: every gate G becomes G (G^-1 G)^k.

Mitiq folds a skeleton (see `skeleton.py`), or where it cannot be installed `gate_by_gate.py` does;
here each step is mapped back to the instruction it stands for, or to that instruction's inverse in
the device's own gates. Parameters stay unbound and the layout survives. The folded circuit must be
run as it is: a transpiler would take the folds out again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qhw.backends.mitigation.gate_by_gate import Step, folded_in_order
from qhw.backends.transpilation import TranspiledCircuit
from qhw.errors import MitigationError
from qhw.packages import installed_version

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

GateList = list[tuple[str, tuple[Any, ...]]]
"""Names and angles of gates on the same qubits, in the order in which they act."""

SELF_INVERSE = ("id", "x", "cx", "cz", "ecr")
NEGATED = ("rz", "rx", "rzz", "u1")
"""Gates of one angle whose inverse has the opposite one."""
_OTHERS: dict[str, Callable[..., GateList]] = {
    "sx": lambda: [("rz", (-math.pi,)), ("sx", ()), ("rz", (math.pi,))],
    "u2": lambda phi, lam: [("u2", (-lam - math.pi, -phi + math.pi))],
    "u3": lambda theta, phi, lam: [("u3", (-theta, -lam, -phi))],
}
"""Inverses of further gates, by their angles."""


def fold(transpiled: TranspiledCircuit, scale: int) -> TranspiledCircuit:
    """Multiply a circuit's gates.

    There is no barrier in it, nor is one needed: circuits here end before their measurement, and
    whoever adds that measures all outputs at once.

    Args:
        transpiled: In the device's own gates, without measurements.
        scale: Odd, 1 or more.

    Returns:
        The same layout, qubits and parameters, exactly `scale` times the two-qubit gates. Its
        `score` is still the unfolded circuit's.

    Raises:
        MitigationError: If the scale is not odd, or a gate has no known inverse on the device.
    """
    refuse_scale(scale)
    if scale == 1:
        return transpiled
    folded = _fold_circuit(transpiled.circuit, scale)
    count = sum(len(item.qubits) == 2 for item in folded.data)
    if count != scale * transpiled.two_qubit_gates:
        raise MitigationError(
            f"Folding to scale {scale} gave {count} two-qubit gates instead of {scale} x "
            f"{transpiled.two_qubit_gates}.",
            "Report this with `qhw doctor`; take --mitigation affine or readout.",
        )
    return replace(transpiled, circuit=folded, two_qubit_gates=count, depth=folded.depth())


def refuse_scale(scale: int) -> None:
    """Allow odd scales only: others would fold some gates and not others.

    Raises:
        MitigationError: If it is even or below 1.
    """
    if scale < 1 or scale % 2 == 0:
        raise MitigationError(
            f"Noise scale {scale}: folding needs an odd number, 1 or more.", "Take 1, 3 or 5."
        )


def inverse_gates(name: str, parameters: Sequence[Any]) -> GateList:
    """The inverse of a gate in the device's own gates, up to a global phase.

    Raises:
        MitigationError: If none is known.
    """
    if name in SELF_INVERSE:
        return [(name, tuple(parameters))]
    if name in NEGATED:
        return [(name, (-parameters[0],))]
    if name in _OTHERS:
        return _OTHERS[name](*parameters)
    known = ", ".join((*SELF_INVERSE, *NEGATED, *_OTHERS))
    raise MitigationError(
        f"The gate {name!r} has no known inverse in the device's own gates; known are {known}.",
        "Take --mitigation affine or readout on this device.",
    )


def _fold_circuit(circuit: QuantumCircuit, scale: int) -> QuantumCircuit:
    from qiskit.circuit.library import get_standard_gate_name_mapping

    gates = get_standard_gate_name_mapping()
    folded = circuit.copy_empty_like()
    for step in _steps(circuit, scale):
        item = circuit.data[step.position]
        if step.inverted:
            for name, parameters in inverse_gates(item.operation.name, item.operation.params):
                folded.append(gates[name].base_class(*parameters), item.qubits)
        else:
            folded.append(item.operation, item.qubits)
    return folded


def _steps(circuit: QuantumCircuit, scale: int) -> list[Step]:
    if installed_version("mitiq") is None:
        return folded_in_order(len(circuit.data), scale)
    from qhw.backends.mitigation.skeleton import folded_steps

    qubits = [[circuit.find_bit(qubit).index for qubit in item.qubits] for item in circuit.data]
    return folded_steps(qubits, scale)
