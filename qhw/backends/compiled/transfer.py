"""What a gate is in the Pauli basis: constant real matrices and exact rotations about z.

A state is its vector of Pauli expectation values r_P = Tr(rho P); a gate followed by its noise is
the transfer matrix R_PQ = Tr(P E(Q)) / 2^k. Digits are I, X, Y, Z; the first qubit of a gate is the
low digit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration import QubitFacts
from policy.backend import FloatArray
from qhw.errors import BackendUnavailableError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Operation, Parameter, ParameterExpression
    from qiskit_aer.noise import NoiseModel, QuantumError

IMAGINARY_LIMIT = 1e-10
AER_PROBABILITY_THRESHOLD = 1e-10
_FACTORS: dict[str, FloatArray] = {
    "I": np.eye(4),
    "X": np.diag([1.0, 1.0, -1.0, -1.0]),
    "Y": np.diag([1.0, -1.0, 1.0, -1.0]),
    "Z": np.diag([1.0, -1.0, -1.0, 1.0]),
    "R": np.outer([1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]),
}
"""Paulis, and the reset to |0>, by first letter."""


_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


class CompileError(BackendUnavailableError):
    """A circuit or a noise model holds something that the compiled engine cannot represent."""


class AnglesNotFirstError(CompileError):
    """An encoding angle acts after a weight or a two-qubit gate, so it cannot be split off."""


@dataclass(frozen=True)
class Rotation:
    """A rotation about z by coefficients . parameters + offset, in rad.

    Attributes:
        coefficients: By column of the joint parameters (angles, then weights).
        offset: Constant part.
    """

    coefficients: dict[int, float]
    offset: float


Element = FloatArray | Rotation
_TURNS: dict[str, Callable[..., list[tuple[str, Any]]]] = {
    "rx": lambda angle: [("x", angle)],
    "ry": lambda angle: [("y", angle)],
    "rz": lambda angle: [("z", angle)],
    "p": lambda angle: [("z", angle)],
    "u1": lambda angle: [("z", angle)],
    "u2": lambda phi, lam: [("z", lam), ("y", np.pi / 2), ("z", phi)],
    "u3": lambda theta, phi, lam: [("z", lam), ("y", theta), ("z", phi)],
}
"""Gates with parameters as rotations, in the order of time; a global phase is nothing here."""


class Transfer:
    """Turns gates into matrices and rotations, each kind once.

    Args:
        noise: Gate noise on the circuit's qubits; None for none.
        qubits: The circuit's qubits, which decay with their T1 and T2 during delays; without them
            there may be no delays.

    Raises:
        CompileError: If the noise model holds errors that are not bound to qubits, or rz is noisy.
    """

    def __init__(self, noise: NoiseModel | None, qubits: Sequence[QubitFacts] = ()) -> None:
        self._qubits = qubits
        self._errors: dict[str, dict[tuple[int, ...], Any]] = {}
        self._known: dict[tuple[str, tuple[int, ...]], FloatArray] = {}
        if noise is not None and noise._default_quantum_errors:
            names = sorted(noise._default_quantum_errors)
            raise CompileError(f"the noise of {names} is bound to no qubits", "Take --engine aer.")
        if noise is not None and "rz" in noise.noise_instructions:
            raise CompileError("rz is noisy: it is compiled as exact", "Take --engine aer.")
        if noise is not None:
            self._errors = dict(noise._local_quantum_errors)
        self._to_y = _transfer_of_gate("rx", np.pi / 2)
        self._from_y = self._to_y.T
        self._hadamard = _transfer_of_gate("h")

    def elements(
        self, operation: Operation, qubits: tuple[int, ...], columns: Mapping[Parameter, int]
    ) -> list[Element]:
        """What a gate is made of, in the order of time.

        Raises:
            CompileError: If it is not a unitary gate, or a noisy one has a parameter.
        """
        name = operation.name
        if name == "delay" and self._qubits:
            return [relaxation_matrix(self._qubits[qubits[0]], operation.duration)]
        if not operation.params:
            return [self._constant(operation, qubits)]
        if name not in _TURNS:
            raise CompileError(
                f"the gate {name!r} on {qubits} has parameters and is not a rotation",
                "Take --engine aer.",
            )
        error = self._errors.get(name, {}).get(qubits)
        turns = _TURNS[name](*operation.params)
        elements = [each for turn in turns for each in self._turned(*turn, columns)]
        return elements if error is None else [*elements, error_matrix(error)]

    def _turned(
        self, axis: str, angle: ParameterExpression | float, columns: Mapping[Parameter, int]
    ) -> list[Element]:
        """A rotation about x, y or z, as one about z between constant gates."""
        rotation = linear(angle, columns)
        turned: dict[str, list[Element]] = {
            "z": [rotation],
            "y": [self._to_y, rotation, self._from_y],
            "x": [self._hadamard, rotation, self._hadamard],
        }
        return turned[axis]

    def _constant(self, operation: Operation, qubits: tuple[int, ...]) -> FloatArray:
        key = (operation.name, qubits)
        if key in self._known:
            return self._known[key]
        if len(qubits) > 2 or operation.name in ("reset", "measure", "delay"):
            raise CompileError(
                f"the instruction {operation.name!r} on {qubits} cannot be compiled",
                "Take --engine aer.",
            )
        matrix = transfer_matrix(operation)
        error = self._errors.get(operation.name, {}).get(qubits)
        self._known[key] = matrix if error is None else error_matrix(error) @ matrix
        return self._known[key]


def relaxation_matrix(qubit: QubitFacts, seconds: float) -> FloatArray:
    """Pauli transfer matrix of a qubit that decays to |0> for so long: x, y by T2 and z by T1.

    T2 stops at 2 T1, its physical limit; what is not published does not decay, as in Aer.
    """
    t1 = np.inf if qubit.t1 is None else qubit.t1
    t2 = min(np.inf if qubit.t2 is None else qubit.t2, 2 * t1)
    across, along = np.exp(-seconds / t2), np.exp(-seconds / t1)
    matrix = np.diag([1.0, across, across, along])
    matrix[3, 0] = 1 - along
    return matrix


def error_matrix(error: QuantumError) -> FloatArray:
    """Pauli transfer matrix of a mixture of circuits, as Aer simulates it.

    Aer leaves out terms of probability 1e-10 and less, without renormalising. Doing the same keeps
    the two engines equal to rounding, so that the opening check sees smaller mistakes than that.
    """
    total = np.zeros((4**error.num_qubits, 4**error.num_qubits))
    for circuit, probability in zip(error.circuits, error.probabilities, strict=True):
        if probability > AER_PROBABILITY_THRESHOLD:
            total += probability * _term_matrix(circuit)
    return total


def transfer_matrix(channel: Any) -> FloatArray:
    """Pauli transfer matrix (4^k, 4^k) of a gate or a quantum error.

    Raises:
        CompileError: If it is not real, hence no physical channel.
    """
    from qiskit.quantum_info import PTM, SuperOp

    matrix = np.asarray(PTM(SuperOp(channel)).data)
    if np.abs(matrix.imag).max() > IMAGINARY_LIMIT:
        raise CompileError(f"{channel} is not a physical channel", "Take --engine aer.")
    real: FloatArray = np.ascontiguousarray(matrix.real)
    return real


def linear(expression: ParameterExpression | float, columns: Mapping[Parameter, int]) -> Rotation:
    """Read a rotation's angle as a linear function of the parameters in these columns.

    Raises:
        CompileError: If it is not linear.
    """
    if isinstance(expression, (int, float)):
        return Rotation({}, float(expression))
    coefficients = {}
    for parameter in expression.parameters:
        slope = expression.gradient(parameter)
        if not isinstance(slope, (int, float)):
            raise CompileError(f"the angle {expression} is not linear", "Take --engine aer.")
        coefficients[columns[parameter]] = float(slope)
    zeros = dict.fromkeys(expression.parameters, 0.0)
    return Rotation(coefficients, float(expression.bind(zeros)))


def _term_matrix(circuit: QuantumCircuit) -> FloatArray:
    """One term; what acts on each qubit by itself is built directly, which is 20 times faster."""
    factors = [np.eye(4) for _ in range(circuit.num_qubits)]
    for item in circuit.data:
        qubits = [circuit.find_bit(q).index for q in item.qubits]
        acting = _on_each(item.operation)
        if acting is None:
            return transfer_matrix(circuit)
        for qubit, factor in zip(qubits, acting, strict=True):
            factors[qubit] = factor @ factors[qubit]
    matrix: FloatArray = np.ones((1, 1))
    for factor in reversed(factors):
        matrix = np.asarray(np.kron(matrix, factor), dtype=np.float64)
    return matrix


def _on_each(operation: Operation) -> list[FloatArray] | None:
    """What an error does to each of its qubits, (4, 4); None if that cannot be told apart."""
    if operation.name == "pauli":
        return [_FACTORS[label] for label in operation.params[0][::-1]]
    if operation.name in ("id", "x", "y", "z", "reset"):
        return [_FACTORS[operation.name[:1].upper()]]
    if operation.name == "kraus" and operation.num_qubits == 1:
        return [kraus_matrix(operation.params)]
    return None


def kraus_matrix(operators: Sequence[NDArray[np.complex128]]) -> FloatArray:
    """Pauli transfer matrix (4, 4) of rho -> sum_k K_k rho K_k^dagger, K (k, 2, 2), on a qubit."""
    kraus = np.asarray(operators)
    moved = kraus @ _PAULIS[:, None] @ kraus.conj().swapaxes(1, 2)  # (Q, k, 2, 2)
    matrix: FloatArray = np.einsum("pij,qkji->pq", _PAULIS, moved).real / 2
    return matrix


def _transfer_of_gate(name: str, *parameters: float) -> FloatArray:
    from qiskit.circuit.library import get_standard_gate_name_mapping

    gate = get_standard_gate_name_mapping()[name].base_class(*parameters)
    return transfer_matrix(gate)
