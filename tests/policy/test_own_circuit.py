from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import SparsePauliOp, Statevector

from policy import OwnCircuit, RingCircuit
from policy.ansatz import stands_for
from policy.own_circuit import FIXED
from qhw.backends.opening import open_backend

A, B = Parameter("a"), Parameter("b")


def small() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rx(A, 0)
    circuit.cx(0, 1)
    circuit.ry(B, 1)
    return circuit


def values(circuit: QuantumCircuit, numbers: dict[str, float]) -> list[float]:
    """<Z_i> of every qubit."""
    bound = circuit.assign_parameters({p: numbers[p.name] for p in circuit.parameters})
    state, n = Statevector(bound), circuit.num_qubits
    return [
        float(state.expectation_value(SparsePauliOp.from_sparse_list([("Z", [i], 1)], n)).real)
        for i in range(n)
    ]


def test_parameters_are_renamed_and_nothing_else() -> None:
    own = OwnCircuit(small(), [B])
    assert (own.num_qubits, own.num_angles, own.num_weights) == (2, 1, 1)
    found = values(own.quantum_circuit(), {"angle[0]": 0.4, "weight[0]": 1.1})
    assert found == pytest.approx(values(small(), {"a": 1.1, "b": 0.4}))
    assert own.summary == "own, 2 qubits, inputs 1, weights 1"


def test_inputs_keep_the_order_of_the_columns() -> None:
    names = ParameterVector("x", 12)
    circuit = QuantumCircuit(1)
    for name in names:
        circuit.rx(name, 0)
    circuit.rz(A, 0)
    own = OwnCircuit(circuit, [names[11], names[2]])
    renamed = own.quantum_circuit()
    assert [str(item.operation.params[0]) for item in renamed.data][11] == "angle[0]"
    assert [str(item.operation.params[0]) for item in renamed.data][2] == "angle[1]"
    assert own.num_weights == 11


def test_the_ring_is_one_of_them() -> None:
    ring = RingCircuit(3, 2)
    built = ring.quantum_circuit()
    angles = [p for p in built.parameters if p.vector.name == "angle"]
    own = OwnCircuit(built, angles)
    assert (own.num_angles, own.num_weights) == (ring.num_angles, ring.num_weights)
    pairs = zip(own.quantum_circuit().data, built.data, strict=True)
    assert all(str(mine.operation.params) == str(its.operation.params) for mine, its in pairs)


def test_equal_circuits_have_one_identity() -> None:
    assert OwnCircuit(small(), [A]) == OwnCircuit(small(), [A])
    assert OwnCircuit(small(), [A]).digest != OwnCircuit(small(), [B]).digest
    turned = small()
    turned.x(0)
    assert OwnCircuit(turned, [A]) != OwnCircuit(small(), [A])
    assert np.unique([len(OwnCircuit(small(), [p]).digest) for p in (A, B)]) == [16]


def half(circuit: QuantumCircuit) -> None:
    circuit.rz(Parameter("c") / 2, 0)


def twice(circuit: QuantumCircuit) -> None:
    circuit.rz(A, 1)


def controlled(circuit: QuantumCircuit) -> None:
    circuit.crx(Parameter("c"), 0, 1)


def summed(circuit: QuantumCircuit) -> None:
    circuit.rz(A + B, 0)


@pytest.mark.parametrize("add", [half, twice, controlled, summed])
def test_what_has_no_shift_rule_is_refused(add: object) -> None:
    circuit = small()
    add(circuit)  # type: ignore[operator]
    with pytest.raises(ValueError, match="each may stand once, by itself, in one of rx, ry"):
        OwnCircuit(circuit, [A])


def measured(circuit: QuantumCircuit) -> None:
    circuit.measure_all()


def reset(circuit: QuantumCircuit) -> None:
    circuit.reset(0)


def prepared(circuit: QuantumCircuit) -> None:
    circuit.initialize([1, 0, 0, 0])


def looped(circuit: QuantumCircuit) -> None:
    body = QuantumCircuit(1)
    body.rx(Parameter("c"), 0)
    circuit.for_loop(range(2), None, body, [0], [])


def composed(circuit: QuantumCircuit) -> None:
    part = QuantumCircuit(2, name="entangle")
    part.cx(0, 1)
    circuit.append(part.to_gate(), [0, 1])


def named_like_a_rotation(circuit: QuantumCircuit) -> None:
    part = QuantumCircuit(1, name="rx")
    part.h(0)
    circuit.append(part.to_gate(), [0])


def matrix(circuit: QuantumCircuit) -> None:
    circuit.unitary(np.eye(4), [0, 1])


def waiting(circuit: QuantumCircuit) -> None:
    circuit.delay(100, 0)


@pytest.mark.parametrize(
    "add", [measured, reset, prepared, looped, composed, named_like_a_rotation, matrix, waiting]
)
def test_what_is_no_standard_gate_is_refused(add: object) -> None:
    circuit = small()
    add(circuit)  # type: ignore[operator]
    with pytest.raises(ValueError, match="it may hold rx, ry"):
        OwnCircuit(circuit, [A])


def test_a_parameter_of_the_global_phase_is_refused() -> None:
    circuit = small()
    circuit.global_phase = Parameter("phase")
    with pytest.raises(ValueError, match="'phase' stands in no gate"):
        OwnCircuit(circuit, [A])


def test_it_stays_as_it_was_and_barriers_are_dropped() -> None:
    circuit = small()
    circuit.barrier()
    own = OwnCircuit(circuit, [A])
    circuit.x(0)
    assert [item.operation.name for item in own.quantum_circuit().data] == ["rx", "cx", "ry"]
    assert own == OwnCircuit(small(), [A])


def test_numbers_tell_circuits_apart() -> None:
    turned = [small(), small()]
    turned[0].rz(0.1, 0)
    turned[1].rz(0.1 + 1e-15, 0)
    first, second = (OwnCircuit(circuit, [A]).digest for circuit in turned)
    assert first != second


@pytest.mark.parametrize("name", FIXED)
def test_every_further_gate_is_simulated(name: str) -> None:
    gate = get_standard_gate_name_mapping()[name]
    circuit = QuantumCircuit(3)
    circuit.rx(A, 0)
    circuit.ry(B, 1)
    numbers = [0.3 + k for k in range(len(gate.params))]
    circuit.append(gate.base_class(*numbers), range(gate.num_qubits))
    own = OwnCircuit(circuit, [A])
    backend = open_backend("aer", own, engine="aer")
    found = backend.evaluate(np.array([[0.7]]), np.array([[0.4]])).values[0, 0]
    assert found == pytest.approx(values(circuit, {"a": 0.7, "b": 0.4}), abs=1e-9)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [([], "0 inputs, 2 weights"), ([A, B], "2 inputs, 0 weights"), ([A, A], "each once")],
)
def test_there_must_be_inputs_and_weights(inputs: list[Parameter], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OwnCircuit(small(), inputs)


@pytest.mark.parametrize("stranger", [Parameter("stranger"), "stranger"])
def test_a_parameter_of_another_circuit_is_no_input(stranger: object) -> None:
    with pytest.raises(ValueError, match="it has no stranger"):
        OwnCircuit(small(), [stranger])


def test_one_of_as_many_angles_and_weights_stands_for_a_ring() -> None:
    ring = RingCircuit(3, 2)
    built = ring.quantum_circuit()
    angles = [p for p in built.parameters if p.vector.name == "angle"]
    assert stands_for(OwnCircuit(built, angles), ring)
    assert not stands_for(OwnCircuit(built, angles[:-1]), ring)
    assert not stands_for(OwnCircuit(small(), [A]), ring)
    assert stands_for(RingCircuit(3, 2), ring)
    assert not stands_for(RingCircuit(3, 2, entanglement="line"), ring), "a slip, of the same sizes"
