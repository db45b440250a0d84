"""Every matrix of the compiled engine against its definition, R_PQ = Tr(P E(Q)) / 2^k."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit.circuit import Gate, Parameter, ParameterVector, QuantumCircuit
from qiskit.circuit.library import (
    CXGate,
    PhaseGate,
    RXGate,
    RYGate,
    RZGate,
    U1Gate,
    U2Gate,
    U3Gate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Kraus, SuperOp
from qiskit_aer.noise import NoiseModel, QuantumError, depolarizing_error

from calibration import noise_model
from policy.backend import FloatArray
from qhw.backends.compiled.program import rotation_matrix
from qhw.backends.compiled.transfer import (
    CompileError,
    Rotation,
    Transfer,
    error_matrix,
    kraus_matrix,
    linear,
    transfer_matrix,
)
from qhw.known import open_snapshot

NUM_ANGLES = {"U2Gate": 2, "U3Gate": 3}
PAULIS = [
    np.eye(2),
    np.array([[0, 1], [1, 0]]),
    np.array([[0, -1j], [1j, 0]]),
    np.array([[1, 0], [0, -1]]),
]
DEVICE = "fake_nairobi"
QUBITS = tuple(range(7))


def by_definition(channel: Any) -> FloatArray:
    """Tr(P E(Q)) / 2^k from Kraus operators; the first qubit is the low digit of P and Q."""
    operators: list[NDArray[np.complex128]] = Kraus(SuperOp(channel)).data
    operators = operators if isinstance(operators, list) else operators[0]
    count = int(np.log2(len(operators[0])))
    basis = [product_of(digits) for digits in product(range(4), repeat=count)]
    moved = [sum(k @ q @ k.conj().T for k in operators) for q in basis]
    rows = [[np.trace(p @ q).real / 2**count for q in moved] for p in basis]
    return np.array(rows)


def product_of(digits: tuple[int, ...]) -> NDArray[np.complex128]:
    """The Pauli string, its highest digit first, as Qiskit orders qubits."""
    matrix: NDArray[np.complex128] = np.eye(1, dtype=np.complex128)
    for digit in digits:
        matrix = np.kron(matrix, PAULIS[digit])
    return matrix


@pytest.fixture(scope="module")
def noise() -> NoiseModel:
    return noise_model(open_snapshot(DEVICE), QUBITS)


def noisy_gates(noise: NoiseModel) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, qubits) for name, by in noise._local_quantum_errors.items() for qubits in by]


def test_every_gate_of_a_device_is_its_channel(noise: NoiseModel) -> None:
    transfer, compared = Transfer(noise), 0
    gates = get_standard_gate_name_mapping()
    for name, qubits in noisy_gates(noise):
        if name in ("reset", "measure", "delay"):
            continue
        (matrix,) = transfer.elements(gates[name], qubits, {})
        error: QuantumError = noise._local_quantum_errors[name][qubits]
        expected = by_definition(error) @ by_definition(gates[name])
        assert isinstance(matrix, np.ndarray)
        assert np.abs(matrix - expected).max() < 1e-9, (name, qubits)
        assert np.abs(matrix[0] - np.eye(len(matrix))[0]).max() < 1e-9, "the trace is kept"
        compared += 1
    assert compared >= 7 * 2 + 12, "x and sx of seven qubits, and six pairs both ways"


def test_noise_shrinks_what_a_gate_turns(noise: NoiseModel) -> None:
    transfer, gates = Transfer(noise), get_standard_gate_name_mapping()
    for name, qubits in noisy_gates(noise):
        if name == "cx":
            (matrix,) = transfer.elements(gates[name], qubits, {})
            ideal = transfer_matrix(gates[name])
            assert isinstance(matrix, np.ndarray)
            assert 0.9 < np.sum(matrix * ideal) / np.sum(ideal * ideal) < 1


@pytest.mark.parametrize("name", ["h", "x", "sx", "s", "cx", "cz", "ecr", "swap"])
def test_gates_without_noise_are_orthogonal(name: str) -> None:
    gate = get_standard_gate_name_mapping()[name]
    (matrix,) = Transfer(None).elements(gate, tuple(range(gate.num_qubits)), {})
    assert isinstance(matrix, np.ndarray)
    assert np.abs(matrix - by_definition(gate)).max() < 1e-12
    assert np.abs(matrix @ matrix.T - np.eye(len(matrix))).max() < 1e-12


def test_the_first_qubit_of_a_gate_is_the_low_digit() -> None:
    """CX with its control on qubit 0 takes X on the control, digit 1, to X on both, digit 5."""
    matrix = transfer_matrix(CXGate())
    assert matrix[1 + 4, 1] == pytest.approx(1)
    assert matrix[4, 4] == pytest.approx(1), "X on the target stays"
    assert matrix[3 + 12, 12] == pytest.approx(1), "Z on the target goes to Z on both"


@pytest.mark.parametrize("gate", [RXGate, RYGate, RZGate, PhaseGate, U1Gate, U2Gate, U3Gate])
@pytest.mark.parametrize("theta", [-2.9, 0.3, 1.7])
def test_a_rotation_is_turned_about_its_own_axis(gate: type[Gate], theta: float) -> None:
    turned = gate(*[theta, 0.4, -1.1][: NUM_ANGLES.get(gate.__name__, 1)])
    matrix = np.eye(4)
    for element in Transfer(None).elements(turned, (0,), {}):
        step = rotation_matrix(element.offset) if isinstance(element, Rotation) else element
        matrix = step @ matrix
    assert np.abs(matrix - by_definition(turned)).max() < 1e-12


def test_a_mixture_with_resets_is_its_channel() -> None:
    reset, flip, stay = (QuantumCircuit(2) for _ in range(3))
    reset.reset(1)
    flip.x(0)
    flip.z(1)
    error = QuantumError([(reset, 0.1), (flip, 0.2), (stay, 0.7)])
    assert np.abs(error_matrix(error) - by_definition(error)).max() < 1e-12
    depolarised = depolarizing_error(0.08, 2)
    expected = np.diag([1.0] + [1 - 0.08] * 15)
    assert np.abs(error_matrix(depolarised) - expected).max() < 1e-12


def test_kraus_operators_of_a_qubit_are_their_channel() -> None:
    """Decay with T2 above T1 is one of these: amplitude damping by .3, turned aside."""
    turn = RYGate(0.7).to_matrix() @ RZGate(1.1).to_matrix()
    operators = [
        turn @ np.array([[1, 0], [0, np.sqrt(0.7)]]),
        turn @ np.array([[0, np.sqrt(0.3)], [0, 0]]),
    ]
    beside = QuantumCircuit(2)
    beside.append(Kraus(operators).to_instruction(), [1])
    beside.z(0)
    error = QuantumError([(beside, 1.0)])
    assert np.abs(kraus_matrix(operators) - transfer_matrix(Kraus(operators))).max() < 1e-14
    assert np.abs(error_matrix(error) - transfer_matrix(SuperOp(error))).max() < 1e-14


def test_an_angle_is_read_as_a_linear_function() -> None:
    angle, weight = ParameterVector("angle", 2), ParameterVector("weight", 3)
    columns = {parameter: k for k, parameter in enumerate([*angle, *weight])}
    rotation = linear(2 * angle[1] - 0.5 * weight[2] + 0.25, columns)
    assert rotation.coefficients == {1: 2.0, 2 + 2: -0.5}
    assert rotation.offset == pytest.approx(0.25)
    assert linear(1.5, {}) == Rotation({}, 1.5)
    with pytest.raises(CompileError, match="not linear"):
        linear(angle[0] * angle[1], columns)


def test_what_cannot_be_represented_is_refused(noise: NoiseModel) -> None:
    with pytest.raises(CompileError, match="'delay'"):
        Transfer(noise).elements(QuantumCircuit(1).delay(10, 0)[0].operation, (0,), {})
    with pytest.raises(CompileError, match="not a rotation"):
        Transfer(None).elements(
            get_standard_gate_name_mapping()["crx"].base_class(Parameter("x")), (0, 1), {}
        )
