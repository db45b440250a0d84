from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.converters import circuit_to_dag
from qiskit.quantum_info import Operator

from qhw.backends.mitigation import folding
from qhw.backends.mitigation.folding import fold, inverse_gates
from qhw.backends.transpilation import TranspiledCircuit, reduced
from qhw.errors import MitigationError

DEVICES = ("fake_brisbane", "fake_fez", "fake_lima")
"""ECR, CZ and CX."""
GATES = {
    "id": 0,
    "x": 0,
    "sx": 0,
    "cx": 0,
    "cz": 0,
    "ecr": 0,
    "rz": 1,
    "rx": 1,
    "rzz": 1,
    "u1": 1,
    "u2": 2,
    "u3": 3,
}


def two_qubit_gates(circuit: QuantumCircuit) -> int:
    return sum(len(item.qubits) == 2 for item in circuit.data)


def instructions(circuit: QuantumCircuit) -> list[tuple[str, list[int], list[float]]]:
    return [
        (
            item.operation.name,
            [circuit.find_bit(qubit).index for qubit in item.qubits],
            [float(value) for value in item.operation.params],
        )
        for item in circuit.data
    ]


def bound(circuit: QuantumCircuit, seed: int = 0) -> QuantumCircuit:
    """Random angles by parameter name, the same for every circuit with these names."""
    rng = np.random.default_rng(seed)
    names = sorted(parameter.name for parameter in circuit.parameters)
    values = dict(zip(names, rng.uniform(-3, 3, len(names)), strict=True))
    return circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})


@pytest.mark.parametrize("name", GATES)
def test_inverses_in_the_devices_gates(name: str) -> None:
    kind = get_standard_gate_name_mapping()[name].base_class
    angles = np.random.default_rng(1).uniform(-3, 3, GATES[name])
    gate = kind(*angles)
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    for inverse, parameters in inverse_gates(name, gate.params):
        other = get_standard_gate_name_mapping()[inverse].base_class(*parameters)
        circuit.append(other, range(other.num_qubits))
    assert Operator(circuit).equiv(np.eye(2**gate.num_qubits))


def test_a_gate_without_a_known_inverse_is_named() -> None:
    with pytest.raises(MitigationError, match="'reset_2' has no known inverse") as caught:
        inverse_gates("reset_2", ())
    assert "--mitigation affine" in caught.value.hint


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scale", [1, 3, 5])
def test_two_qubit_gates_are_multiplied_exactly(layout: Any, device: str, scale: int) -> None:
    _, transpiled = layout(device)
    folded = fold(transpiled, scale)
    assert two_qubit_gates(folded.circuit) == scale * two_qubit_gates(transpiled.circuit)
    assert folded.two_qubit_gates == scale * transpiled.two_qubit_gates
    assert folded.depth == folded.circuit.depth()


@pytest.mark.parametrize("device", DEVICES)
def test_layout_qubits_and_parameters_survive(layout: Any, device: str) -> None:
    snapshot, transpiled = layout(device)
    folded = fold(transpiled, 3)
    layouts = [each.circuit.layout.final_index_layout() for each in (transpiled, folded)]
    assert layouts[0] == layouts[1]
    assert folded.circuit.parameters == transpiled.circuit.parameters
    assert folded.active_qubits == transpiled.active_qubits
    offered = {(gate.name, gate.qubits) for gate in snapshot.gates}
    used = {(name, tuple(qubits)) for name, qubits, _ in instructions(bound(folded.circuit))}
    assert used <= offered


@pytest.mark.parametrize("device", DEVICES)
def test_the_unitary_stays_the_same(layout: Any, device: str) -> None:
    _, transpiled = layout(device)
    small, folded = (
        reduced(bound(each.circuit), transpiled.active_qubits)
        for each in (transpiled, fold(transpiled, 3))
    )
    assert Operator(folded).equiv(Operator(small))


@pytest.mark.parametrize("device", DEVICES)
def test_folding_and_binding_commute(layout: Any, device: str) -> None:
    _, transpiled = layout(device)
    first_bound = dataclasses.replace(transpiled, circuit=bound(transpiled.circuit))
    one = instructions(fold(first_bound, 3).circuit)
    other = instructions(bound(fold(transpiled, 3).circuit))
    assert [each[:2] for each in one] == [each[:2] for each in other]
    for (_, _, angles), (_, _, others) in zip(one, other, strict=True):
        assert np.allclose(angles, others, atol=1e-14)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scale", [3, 5, 7])
def test_without_mitiq_the_same_gates_act_on_every_qubit(
    layout: Any, device: str, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mitiq", reason="there is no Mitiq for this Python to compare with")
    _, transpiled = layout(device)
    mitiqs = fold(transpiled, scale).circuit
    monkeypatch.setattr(folding, "installed_version", lambda package: None)
    assert "qhw.backends.mitigation.skeleton" in sys.modules
    monkeypatch.setitem(sys.modules, "qhw.backends.mitigation.skeleton", None)
    ours = fold(transpiled, scale).circuit
    assert len(ours.data) == len(mitiqs.data) > transpiled.two_qubit_gates
    assert circuit_to_dag(ours) == circuit_to_dag(mitiqs)


def test_folding_does_not_touch_its_input(layout: Any) -> None:
    _, transpiled = layout("fake_fez")
    before = len(transpiled.circuit.data)
    fold(transpiled, 3)
    assert len(transpiled.circuit.data) == before
    assert fold(transpiled, 1) is transpiled


@pytest.mark.parametrize("scale", [-1, 0, 2, 4])
def test_even_scales_are_refused(layout: Any, scale: int) -> None:
    with pytest.raises(MitigationError, match=f"Noise scale {scale}: .* odd"):
        fold(layout("fake_fez")[1], scale)


def test_a_wrong_count_is_refused(layout: Any) -> None:
    transpiled: TranspiledCircuit = layout("fake_fez")[1]
    wrong = dataclasses.replace(transpiled, two_qubit_gates=transpiled.two_qubit_gates + 1)
    with pytest.raises(MitigationError, match="instead of 3 x"):
        fold(wrong, 3)
