"""All gradients at once, against parameter shift; what a local output is before the CNOTs."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Pauli

from policy import ParameterShift, RingCircuit
from policy.circuit import Entanglement
from qhw.backends.opening import open_backend
from qhw.studies.measured.all_gradients import SEED, Spread, draw_all, gradients, string_lengths


@pytest.mark.parametrize("entanglement", ["ring", "line", "full", "none"])
def test_they_are_those_of_parameter_shift(entanglement: Entanglement) -> None:
    circuit = RingCircuit(3, 2, "linear", entanglement)
    weights = np.random.default_rng(1).uniform(-3, 3, (4, circuit.num_weights))
    found = gradients(circuit, weights)
    angles = np.array([[np.pi / 2] * 3 + [0.0] * 3])
    backend = open_backend("aer", circuit)
    for output in range(3):
        upstream = np.eye(3)[[output]]
        for draw, row in enumerate(weights):
            wanted = ParameterShift().weight_gradient(backend, angles, row, upstream).weights
            assert found[output, draw] == pytest.approx(wanted, abs=1e-5)


def test_the_global_output_is_the_product_of_all() -> None:
    """Without CNOTs it factorises, so that its gradient is the product rule's."""
    circuit = RingCircuit(2, 1, "linear", "none")
    weights = np.random.default_rng(2).uniform(-3, 3, (5, 8))
    angles = np.array([[np.pi / 2] * 2 + [0.0] * 2])
    values = open_backend("aer", circuit).evaluate(angles, weights).values[:, 0]
    first, second, both = gradients(circuit, weights)
    expected = first * values[:, 1:] + second * values[:, :1]
    assert both == pytest.approx(expected, abs=1e-5)


def test_weights_that_do_not_act_are_left_out() -> None:
    circuit = RingCircuit(3, 1, "linear", "none")
    spread = Spread.read(draw_all(circuit, 20))
    assert spread.variance.shape == (4, 12) and spread.draws.shape == (4, 20)
    assert not spread.acting[0, 4:].any() and spread.acting[0, :2].all()
    rng = np.random.default_rng([SEED, 3, 1])
    found = gradients(circuit, rng.uniform(-np.pi, np.pi, (20, 12)))
    assert spread.variance[0, :4] == pytest.approx(np.square(found[0, :, :4]).mean(axis=0))
    acting = spread.acting[0]
    assert spread.draws[0] == pytest.approx(np.square(found[0][:, acting]).mean(axis=1))


@pytest.mark.parametrize("entanglement", ["ring", "line"])
def test_a_local_output_before_the_cnots(entanglement: Entanglement) -> None:
    circuit = RingCircuit(5, 1, "linear", entanglement)
    layer = QuantumCircuit(5)
    for pair in circuit.pairs:
        layer.cx(*pair)
    wanted = []
    for qubit in range(5):
        label = "".join("Z" if q == qubit else "I" for q in reversed(range(5)))
        wanted.append(int(Pauli(label).evolve(layer, frame="h").z.sum()))
    assert string_lengths(circuit) == wanted
    assert wanted == ([1, 2, 3, 4, 5] if entanglement == "line" else [4, 2, 3, 4, 5])
