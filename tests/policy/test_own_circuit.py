from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

from policy import OwnCircuit, RingCircuit
from policy.ansatz import stands_for

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


def test_measurements_and_resets_are_refused() -> None:
    measured = small()
    measured.measure_all()
    with pytest.raises(ValueError, match="has a 'measure'"):
        OwnCircuit(measured, [A])
    reset = small()
    reset.reset(0)
    with pytest.raises(ValueError, match="has a 'reset'"):
        OwnCircuit(reset, [A])


@pytest.mark.parametrize(
    ("inputs", "told"),
    [([], "0 inputs, 2 weights"), ([A, B], "2 inputs, 0 weights"), ([A, A], "each once")],
)
def test_there_must_be_inputs_and_weights(inputs: list[Parameter], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OwnCircuit(small(), inputs)


def test_a_parameter_of_another_circuit_is_no_input() -> None:
    with pytest.raises(ValueError, match="it has no stranger"):
        OwnCircuit(small(), [Parameter("stranger")])


def test_one_of_as_many_angles_and_weights_stands_for_a_ring() -> None:
    ring = RingCircuit(3, 2)
    built = ring.quantum_circuit()
    angles = [p for p in built.parameters if p.vector.name == "angle"]
    assert stands_for(OwnCircuit(built, angles), ring)
    assert not stands_for(OwnCircuit(built, angles[:-1]), ring)
    assert not stands_for(OwnCircuit(small(), [A]), ring)
    assert stands_for(RingCircuit(3, 2), ring)
    assert not stands_for(RingCircuit(3, 2, entanglement="line"), ring), "a slip, of the same sizes"
