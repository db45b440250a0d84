from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp, Statevector

from policy import RingCircuit
from tests.policy.conftest import ENCODINGS, ENTANGLEMENTS, Shape, Simulate

SHAPES: list[Shape] = [
    (n, depth, encoding, entanglement)
    for n, depth in [(2, 2), (3, 1), (3, 3), (4, 2)]
    for encoding in ENCODINGS
    for entanglement in ENTANGLEMENTS
    if 2 * n >= 6 or encoding in ("paper", "linear")
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_qiskit_circuit_is_the_papers(shape: Shape, simulate: Simulate) -> None:
    circuit = RingCircuit(*shape)
    rng = np.random.default_rng(1)
    angles = rng.uniform(-3, 3, (1, circuit.num_angles))
    weights = rng.uniform(-3, 3, circuit.num_weights)
    built = circuit.quantum_circuit()
    values = {p: angles[0, p.index] for p in built.parameters if p.vector.name == "angle"}
    values |= {p: weights[p.index] for p in built.parameters if p.vector.name == "weight"}
    state = Statevector(built.assign_parameters(values))
    measured = [
        state.expectation_value(SparsePauliOp.from_sparse_list([("Z", [q], 1)], shape[0])).real
        for q in range(shape[0])
    ]
    expected = simulate(circuit, torch.from_numpy(angles), torch.from_numpy(weights))[0].numpy()
    assert np.abs(np.array(measured) - expected).max() < 1e-12


def test_every_rotation_has_its_own_parameter(ring: RingCircuit) -> None:
    built = ring.quantum_circuit()
    rotations = [gate for gate in built.data if gate.operation.params]
    assert len(rotations) == len(built.parameters) == ring.num_angles + ring.num_weights == 40


def test_the_ring_closes() -> None:
    assert RingCircuit(4, 1).pairs == ((0, 1), (1, 2), (2, 3), (3, 0))
    assert RingCircuit(1, 1, "linear").pairs == ()


def test_the_digest_tells_structures_apart() -> None:
    digests = {RingCircuit(*shape).digest for shape in SHAPES}
    assert len(digests) == len(SHAPES)
    assert RingCircuit(3, 1).digest == RingCircuit(3, 1).digest


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"num_qubits": 13}, "num_qubits is 13"),
        ({"depth": 0}, "depth is 0"),
        ({"encoding": "amplitude"}, "'amplitude'"),
        ({"entanglement": "star"}, "'star'"),
    ],
)
def test_impossible_circuits_are_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RingCircuit(**arguments)
