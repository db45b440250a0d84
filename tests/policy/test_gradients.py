from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from policy import (
    Adjoint,
    Cost,
    GradientRule,
    ParameterShift,
    PrunedShift,
    RingCircuit,
    Spsa,
    expectations,
)
from policy.backend import FloatArray
from tests.policy.conftest import (
    ENCODINGS,
    ENTANGLEMENTS,
    DifferentiableStateVector,
    Shape,
    StateVectorBackend,
    gradient_of,
)

DRAWS = 120
SHAPES: list[Shape] = [
    (n, depth, encoding, entanglement)
    for n in (2, 3, 4)
    for depth in (1, 2, 3)
    for encoding in ENCODINGS
    for entanglement in ENTANGLEMENTS
    if 2 * n >= 6 or encoding in ("paper", "linear")
]


def draw(
    circuit: RingCircuit, rows: int = 2, seed: int = 0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-3, 3, (rows, circuit.num_angles)),
        rng.uniform(-3, 3, circuit.num_weights),
        rng.standard_normal((rows, circuit.num_qubits)),
    )


def through_torch(
    circuit: RingCircuit,
    backend: StateVectorBackend,
    rule: GradientRule,
    angles: FloatArray,
    weights: FloatArray,
    upstream: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    x = torch.from_numpy(angles).requires_grad_()
    w = torch.from_numpy(weights).requires_grad_()
    (expectations(x, w, backend, rule) * torch.from_numpy(upstream)).sum().backward()
    return gradient_of(x).numpy(), gradient_of(w).numpy()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_parameter_shift_is_the_exact_derivative(
    shape: Shape, open_differentiable: type[DifferentiableStateVector]
) -> None:
    circuit = RingCircuit(*shape)
    backend = open_differentiable(circuit)
    angles, weights, upstream = draw(circuit)
    found = through_torch(circuit, backend, ParameterShift(), angles, weights, upstream)
    by_weights = backend.vjp(angles, weights, upstream)
    by_angles = backend.angle_vjp(angles, weights, upstream)
    assert np.abs(found[0] - by_angles).max() < 1e-10
    assert np.abs(found[1] - by_weights).max() < 1e-10


def test_adjoint_is_the_backends_own(
    ring: RingCircuit, open_differentiable: type[DifferentiableStateVector]
) -> None:
    backend = open_differentiable(ring)
    angles, weights, upstream = draw(ring)
    gradient = Adjoint().weight_gradient(backend, angles, weights, upstream).weights
    assert np.array_equal(gradient, backend.vjp(angles, weights, upstream))


def test_adjoint_needs_a_backend_that_can(
    ring: RingCircuit, open_state_vector: type[StateVectorBackend]
) -> None:
    with pytest.raises(ValueError, match="cannot differentiate itself"):
        Adjoint().weight_gradient(open_state_vector(ring), *draw(ring))


def test_pruned_shift_is_the_full_one_on_its_weights(
    ring: RingCircuit, open_state_vector: type[StateVectorBackend]
) -> None:
    angles, weights, upstream = draw(ring)
    full = ParameterShift().weight_gradient(open_state_vector(ring), angles, weights, upstream)
    backend = open_state_vector(ring)
    pruned = PrunedShift(0.25, np.random.default_rng(0))
    gradient = pruned.weight_gradient(backend, angles, weights, upstream).weights
    chosen = np.flatnonzero(gradient)
    assert len(chosen) == 8
    assert backend.calls == [(16, 2)]
    assert np.allclose(gradient[chosen], 4 * full.weights[chosen], atol=1e-12)
    assert not np.array_equal(
        gradient != 0, pruned.weight_gradient(backend, angles, weights, upstream).weights != 0
    )


@pytest.mark.parametrize("rule", ["pruned", "spsa"])
def test_random_rules_are_right_on_average(
    rule: str, open_state_vector: type[StateVectorBackend]
) -> None:
    circuit = RingCircuit(3, 1)
    angles, weights, upstream = draw(circuit)
    full = ParameterShift().weight_gradient(open_state_vector(circuit), angles, weights, upstream)
    rng = np.random.default_rng(4)
    made = PrunedShift(0.5, rng) if rule == "pruned" else Spsa(rng, 0.02)
    backend = open_state_vector(circuit)
    draws = np.stack(
        [made.weight_gradient(backend, angles, weights, upstream).weights for _ in range(DRAWS)]
    )
    error = draws.mean(axis=0) - full.weights
    assert np.abs(error / (draws.std(axis=0) / np.sqrt(DRAWS) + 1e-12)).max() < 5.5
    assert {call[0] for call in backend.calls} == ({12} if rule == "pruned" else {2})


def test_rows_without_upstream_gradient_cost_nothing(
    ring: RingCircuit, open_state_vector: type[StateVectorBackend]
) -> None:
    backend = open_state_vector(ring)
    angles, weights, upstream = draw(ring, rows=5)
    upstream[[1, 3]] = 0
    seen: list[tuple[str, Cost]] = []
    x, w = torch.from_numpy(angles), torch.from_numpy(weights).requires_grad_()
    values = expectations(x, w, backend, ParameterShift(), lambda *told: seen.append(told))
    (values * torch.from_numpy(upstream)).sum().backward()
    assert backend.calls == [(1, 5), (64, 3)]
    assert [(phase, cost.circuits) for phase, cost in seen] == [("forward", 5), ("weights", 192)]


def test_no_upstream_gradient_at_all_asks_nothing(
    ring: RingCircuit, open_state_vector: type[StateVectorBackend]
) -> None:
    backend = open_state_vector(ring)
    angles, weights, _ = draw(ring)
    w = torch.from_numpy(weights).requires_grad_()
    (expectations(torch.from_numpy(angles), w, backend, ParameterShift()) * 0).sum().backward()
    assert len(backend.calls) == 1
    assert torch.equal(gradient_of(w), torch.zeros_like(w))


def test_mitigated_values_may_leave_the_range(
    ring: RingCircuit, open_state_vector: type[StateVectorBackend]
) -> None:
    angles, weights, _ = draw(ring)
    backend = open_state_vector(ring, offset=3.0)
    values = expectations(
        torch.from_numpy(angles), torch.from_numpy(weights), backend, ParameterShift()
    )
    assert values.max() > 2


@pytest.mark.parametrize("make", [lambda g: PrunedShift(0.0, g), lambda g: Spsa(g, 0.0)])
def test_impossible_settings_are_refused(
    make: Callable[[np.random.Generator], GradientRule],
) -> None:
    with pytest.raises(ValueError, match=r"is 0\.0: choose"):
        make(np.random.default_rng(0))
