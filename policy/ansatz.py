"""What a backend needs to know of a parametrised circuit, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from policy.circuit import RingCircuit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


class Ansatz(Protocol):
    """A circuit of encoding angles and weights whose <Z_i> are measured on every qubit."""

    @property
    def num_qubits(self) -> int:
        """Qubits n, each of which is read."""

    @property
    def num_angles(self) -> int:
        """Encoding angles A."""

    @property
    def num_weights(self) -> int:
        """Trainable angles P."""

    @property
    def digest(self) -> str:
        """Identity of the circuit's structure, 16 hexadecimal digits."""

    @property
    def summary(self) -> str:
        """The circuit in a few words, for tables."""

    def quantum_circuit(self) -> QuantumCircuit:
        """Build the circuit without measurements.

        Its parameters are the vectors `angle` (A) and `weight` (P); each stands in one rotation, by
        itself, so that the two-term shift rule holds for it.
        """


def stands_for(ansatz: Ansatz, ring: RingCircuit) -> bool:
    """Whether a backend's circuit may be asked in a ring's place.

    Another ring may not: it would be a slip. A circuit of one's own may, if as many angles and
    weights go in and as many values come out.
    """
    if isinstance(ansatz, RingCircuit):
        return ansatz == ring
    sizes, wanted = (
        (circuit.num_qubits, circuit.num_angles, circuit.num_weights) for circuit in (ansatz, ring)
    )
    return sizes == wanted
