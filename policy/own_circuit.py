"""Any Qiskit circuit as an ansatz: its parameters told apart into inputs and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter, ParameterExpression

ROTATIONS = ("rx", "ry", "rz", "rxx", "ryy", "rzz", "rzx", "p", "u1")
"""Gates exp(-i theta G / 2), up to a phase, with G^2 = 1: the two-term shift rule is exact."""


@dataclass(frozen=True)
class OwnCircuit:
    """A circuit of one's own.

    Attributes:
        circuit: Without measurements; every parameter stands in one of `ROTATIONS`, by itself.
        inputs: Its parameters that are data, in the order of the data's columns; the others are
            weights, sorted as Qiskit sorts them.

    Raises:
        ValueError: If it measures, has no inputs or no weights, an input is none of its parameters,
            or the shift rule does not hold for a parameter.
    """

    circuit: QuantumCircuit = field(repr=False, compare=False)
    inputs: Sequence[Parameter] = field(repr=False, compare=False)
    digest: str = field(init=False)
    """Identity of the circuit's structure, 16 hexadecimal digits."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        strangers = [p.name for p in self.inputs if p not in set(self.circuit.parameters)]
        if strangers or len(set(self.inputs)) != len(self.inputs):
            raise ValueError(
                f"inputs {', '.join(p.name for p in self.inputs)}: name parameters of the circuit, "
                f"each once{'; it has no ' + ', '.join(strangers) if strangers else ''}"
            )
        if not self.inputs or not self.weights:
            raise ValueError(
                f"{len(self.inputs)} inputs, {len(self.weights)} weights: give at least one of each"
            )
        _refuse_unshiftable(self.circuit)
        object.__setattr__(self, "digest", _digest(self.quantum_circuit()))

    @cached_property
    def weights(self) -> tuple[Parameter, ...]:
        """Its parameters that are trained."""
        return tuple(p for p in self.circuit.parameters if p not in set(self.inputs))

    @property
    def num_qubits(self) -> int:
        """Qubits n, each of which is read."""
        return int(self.circuit.num_qubits)

    @property
    def num_angles(self) -> int:
        """Inputs A."""
        return len(self.inputs)

    @property
    def num_weights(self) -> int:
        """Weights P."""
        return len(self.weights)

    @property
    def summary(self) -> str:
        """The circuit in a few words, for tables."""
        return (
            f"own, {self.num_qubits} qubits, inputs {self.num_angles}, weights {self.num_weights}"
        )

    def quantum_circuit(self) -> QuantumCircuit:
        """The circuit with its parameters called `angle[k]` and `weight[k]`."""
        from qiskit.circuit import ParameterVector

        names = {
            **_renamed(self.inputs, ParameterVector("angle", self.num_angles)),
            **_renamed(self.weights, ParameterVector("weight", self.num_weights)),
        }
        return self.circuit.assign_parameters(names)


def _renamed(old: Sequence[Parameter], new: Iterable[Parameter]) -> dict[Parameter, Parameter]:
    return dict(zip(old, new, strict=True))


def _refuse_unshiftable(circuit: QuantumCircuit) -> None:
    """Refuse what has no exact gradient from two shifts of each parameter."""
    for item in circuit.data:
        if item.clbits or item.operation.name == "reset":
            raise ValueError(
                f"the circuit has a {item.operation.name!r}: leave it out, the <Z> of every qubit "
                "is read at the end"
            )
    seen: set[str] = set()
    for name, angle in _uses(circuit):
        for parameter in angle.parameters:
            alone = str(angle) == parameter.name and name in ROTATIONS
            if not alone or parameter.name in seen:
                raise ValueError(
                    f"parameter {parameter.name!r} in {name}({angle}): each may stand once, by "
                    f"itself, in one of {', '.join(ROTATIONS)}; what is needed twice takes a "
                    "parameter of its own each time, and an input a column"
                )
            seen.add(parameter.name)


def _uses(circuit: QuantumCircuit) -> Iterator[tuple[str, ParameterExpression]]:
    """Name and angle of every gate that depends on a parameter."""
    from qiskit.circuit import ParameterExpression

    for item in circuit.data:
        for angle in item.operation.params:
            if isinstance(angle, ParameterExpression):
                yield item.operation.name, angle


def _digest(circuit: QuantumCircuit) -> str:
    """Of gates, qubits and parameters, in order."""
    gates = [
        (
            item.operation.name,
            [circuit.find_bit(qubit).index for qubit in item.qubits],
            [str(value) for value in item.operation.params],
        )
        for item in circuit.data
    ]
    text = json.dumps([circuit.num_qubits, gates])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
