"""A Qiskit circuit as an ansatz: its parameters told apart into inputs and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

ROTATIONS = ("rx", "ry", "rz", "rxx", "ryy", "rzz", "rzx", "p", "u1")
"""Gates exp(-i theta G / 2), up to a phase, with G^2 = 1: the two-term shift rule is exact."""
FIXED = (
    *("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "r", "u", "u2", "u3"),
    *("cx", "cy", "cz", "cp", "crx", "cry", "crz", "csx", "cu", "cu1", "cu3", "ecr", "swap"),
    *("ccx", "ccz", "cswap"),
)
"""Further standard gates that every backend takes, with numbers for angles."""


@dataclass(frozen=True)
class OwnCircuit:
    """A circuit of one's own.

    Attributes:
        circuit: Of `ROTATIONS` and `FIXED`, without measurements; barriers are dropped. Every
            parameter stands in one of `ROTATIONS`, by itself. Kept as it is now.
        inputs: Its parameters that are data, in the order of the data's columns; the others are
            weights, sorted as Qiskit sorts them.

    Raises:
        ValueError: If it holds anything else, has no inputs or no weights, an input is none of its
            parameters, or the shift rule does not hold for a parameter.
    """

    circuit: QuantumCircuit = field(repr=False, compare=False)
    inputs: Sequence[Parameter] = field(repr=False, compare=False)
    digest: str = field(init=False)
    """Identity of the circuit's structure, 16 hexadecimal digits."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "circuit", _of_standard_gates(self.circuit))
        object.__setattr__(self, "inputs", tuple(self.inputs))
        strangers = [_name(p) for p in self.inputs if p not in set(self.circuit.parameters)]
        if strangers or len(set(self.inputs)) != len(self.inputs):
            raise ValueError(
                f"inputs {', '.join(map(_name, self.inputs))}: name parameters of the circuit, "
                f"each once{'; it has no ' + ', '.join(strangers) if strangers else ''}"
            )
        if not self.inputs or not self.weights:
            raise ValueError(
                f"{len(self.inputs)} inputs, {len(self.weights)} weights: give at least one of each"
            )
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


def _name(parameter: object) -> str:
    return str(getattr(parameter, "name", parameter))


def _of_standard_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """A copy without barriers and without a global phase, which no <Z> can see.

    Raises:
        ValueError: If something is no standard gate, or has no exact gradient from two shifts of
            each parameter.
    """
    from qiskit.circuit.library import get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping()
    known = {name: standard[name].base_class for name in (*ROTATIONS, *FIXED)}
    kept = circuit.copy_empty_like()
    seen: set[str] = set()
    for item in circuit.data:
        if item.operation.name == "barrier":
            continue
        # Not by its name alone: a gate of one's own may call itself as it likes.
        name = item.operation.name
        if name not in known or item.operation.base_class is not known[name]:
            raise ValueError(
                f"the circuit has a {name!r}: it may hold {', '.join(known)}, and "
                "is read at the end; `circuit.decompose()` takes a gate apart into others"
            )
        for angle in item.operation.params:
            _refuse_unshiftable(item.operation.name, angle, seen)
        kept.append(item)
    left = [p.name for p in circuit.parameters if p.name not in seen]
    if left:
        raise ValueError(
            f"parameter {left[0]!r} stands in no gate (in the global phase?): leave it out"
        )
    kept.global_phase = 0
    return kept


def _refuse_unshiftable(name: str, angle: object, seen: set[str]) -> None:
    for parameter in getattr(angle, "parameters", ()):
        alone = str(angle) == parameter.name and name in ROTATIONS
        if not alone or parameter.name in seen:
            raise ValueError(
                f"parameter {parameter.name!r} in {name}({angle}): each may stand once, by "
                f"itself, in one of {', '.join(ROTATIONS)}; what is needed twice takes a "
                "parameter of its own each time, and an input a column"
            )
        seen.add(parameter.name)


def _digest(circuit: QuantumCircuit) -> str:
    """Of gates, qubits, parameters and numbers, in order; standard gates are known by name."""
    gates = [
        (
            item.operation.name,
            [circuit.find_bit(qubit).index for qubit in item.qubits],
            [_number(angle) for angle in item.operation.params],
        )
        for item in circuit.data
    ]
    text = json.dumps([circuit.num_qubits, gates])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _number(angle: object) -> str:
    return str(angle) if getattr(angle, "parameters", ()) else repr(float(angle))  # type: ignore[arg-type]
