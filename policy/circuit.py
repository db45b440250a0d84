"""The ansatz: a ring-entangled variational circuit (arXiv 2509.14163, section 3).

    encoding   RY(angle_i) RZ(angle_{n+i}) on every qubit i           once, or in every layer
    layer      Rot(phi, theta, omega) = RZ RY RZ on every qubit,
               CNOTs along the entanglement, RX on every qubit        depth times
    read-out   <Z_i> of every qubit; they commute, so one circuit gives all n

Every rotation has a parameter of its own, so the two-term shift rule holds for each.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

Encoding = Literal["dense", "paper", "linear", "reupload"]
Entanglement = Literal["ring", "line", "full", "none"]

ENCODINGS = ("dense", "paper", "linear", "reupload")
ENTANGLEMENTS = ("ring", "line", "full", "none")
WEIGHTS_PER_QUBIT = 4
MAX_SIZE = 12


@dataclass(frozen=True)
class RingCircuit:
    """The circuit's shape; it holds no angles.

    Attributes:
        num_qubits: n, 1 to 12.
        depth: Layers L, 1 to 12.
        encoding: How the state becomes angles; see `policy.encoding`.
        entanglement: Pairs of the CNOTs.

    Raises:
        ValueError: If a size is out of range.
    """

    num_qubits: int = 4
    depth: int = 2
    encoding: Encoding = "dense"
    entanglement: Entanglement = "ring"

    def __post_init__(self) -> None:
        for name in ("num_qubits", "depth"):
            if not 1 <= getattr(self, name) <= MAX_SIZE:
                raise ValueError(f"{name} is {getattr(self, name)}: choose 1 to {MAX_SIZE}")
        if self.encoding not in ENCODINGS or self.entanglement not in ENTANGLEMENTS:
            raise ValueError(
                f"encoding {self.encoding!r}, entanglement {self.entanglement!r}: use one of "
                f"{ENCODINGS} and one of {ENTANGLEMENTS}"
            )

    @property
    def num_angles(self) -> int:
        """Encoding angles A: 2n, or 2nL with `reupload`."""
        layers = self.depth if self.encoding == "reupload" else 1
        return 2 * self.num_qubits * layers

    @property
    def num_weights(self) -> int:
        """Trainable angles P = 4nL."""
        return WEIGHTS_PER_QUBIT * self.num_qubits * self.depth

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Control and target of every CNOT of a layer, in order."""
        n = self.num_qubits
        if self.entanglement == "none" or n == 1:
            return ()
        if self.entanglement == "full":
            return tuple((i, j) for i in range(n) for j in range(i + 1, n))
        line = tuple((i, i + 1) for i in range(n - 1))
        return line if self.entanglement == "line" else (*line, (n - 1, 0))

    @property
    def digest(self) -> str:
        """Identity of the circuit's structure, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def summary(self) -> str:
        """The circuit in a few words, for tables."""
        return f"{self.num_qubits} qubits, depth {self.depth}, {self.encoding}, {self.entanglement}"

    def quantum_circuit(self) -> QuantumCircuit:
        """Build the circuit without measurements.

        Its parameters are the vectors `angle` (A) and `weight` (P). Angle k < n is the RY of qubit
        k, n <= k < 2n the RZ of qubit k - n, offset by 2n per layer with `reupload`. Weight
        (layer n + qubit) 4 + j is phi, theta, omega, RX for j = 0..3.
        """
        from qiskit import QuantumCircuit
        from qiskit.circuit import ParameterVector

        angle = ParameterVector("angle", self.num_angles)
        weight = ParameterVector("weight", self.num_weights)
        circuit = QuantumCircuit(self.num_qubits, name="ring")
        for layer in range(self.depth):
            if layer == 0 or self.encoding == "reupload":
                self._encode(circuit, angle[2 * self.num_qubits * layer :])
            self._entangle(circuit, weight[WEIGHTS_PER_QUBIT * self.num_qubits * layer :])
        return circuit

    def _encode(self, circuit: QuantumCircuit, angle: list[object]) -> None:
        for qubit in range(self.num_qubits):
            circuit.ry(angle[qubit], qubit)
        for qubit in range(self.num_qubits):
            circuit.rz(angle[self.num_qubits + qubit], qubit)

    def _entangle(self, circuit: QuantumCircuit, weight: list[object]) -> None:
        for qubit in range(self.num_qubits):
            phi, theta, omega = weight[WEIGHTS_PER_QUBIT * qubit :][:3]
            circuit.rz(phi, qubit)
            circuit.ry(theta, qubit)
            circuit.rz(omega, qubit)
        for control, target in self.pairs:
            circuit.cx(control, target)
        for qubit in range(self.num_qubits):
            circuit.rx(weight[WEIGHTS_PER_QUBIT * qubit + 3], qubit)
