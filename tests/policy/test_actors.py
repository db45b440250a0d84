from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from policy import (
    MlpActor,
    ParameterShift,
    RingActor,
    RingCircuit,
    StateScaler,
    count_parameters,
)
from policy.actors import INITIAL_SIGMA
from tests.policy.conftest import StateVectorBackend, gradient_of, last_layer

MakeRing = Callable[..., RingActor]


@pytest.fixture
def make_ring(scaler: StateScaler, open_state_vector: type[StateVectorBackend]) -> MakeRing:
    def make(circuit: RingCircuit | None = None, seed: int = 0) -> RingActor:
        circuit = circuit or RingCircuit()
        generator = torch.Generator().manual_seed(seed)
        return RingActor(circuit, open_state_vector(circuit), ParameterShift(), scaler, generator)

    return make


def test_the_actors_have_the_papers_parameter_counts(
    make_ring: MakeRing, scaler: StateScaler, generator: torch.Generator
) -> None:
    assert count_parameters(make_ring()) == 2498
    assert count_parameters(make_ring(RingCircuit(encoding="linear"))) == 2526
    assert count_parameters(MlpActor(scaler, generator)) == 9282
    assert count_parameters(MlpActor.matched(scaler, generator)) == pytest.approx(2498, rel=0.02)


@pytest.mark.parametrize(("hidden", "count"), [((), 42), ((8,), 90), ((32,), 258)])
def test_a_smaller_head_has_fewer_parameters(
    hidden: tuple[int, ...],
    count: int,
    scaler: StateScaler,
    generator: torch.Generator,
    open_state_vector: type[StateVectorBackend],
) -> None:
    circuit = RingCircuit()
    backend, rule = open_state_vector(circuit), ParameterShift()
    ring = RingActor(circuit, backend, rule, scaler, generator, hidden=hidden)
    assert count_parameters(ring) == count
    state = torch.rand(5, 6)
    assert torch.allclose(ring.distribution(state).stddev, torch.tensor(INITIAL_SIGMA))
    output = ring.head[-1]
    assert isinstance(output, torch.nn.Linear)
    torch.nn.init.ones_(output.weight)
    ring.action_mean(state).sum().backward()
    assert ring.circuit_weights.grad is not None
    assert ring.circuit_weights.grad.abs().max() > 0


@pytest.mark.parametrize("features", range(1, 11))
def test_the_matched_mlp_is_as_large_for_any_state(
    features: int, generator: torch.Generator
) -> None:
    matched = MlpActor.matched(StateScaler([0.0] * features, [1.0] * features), generator)
    assert count_parameters(matched) == pytest.approx(2498, rel=0.02)
    assert matched.action_mean(torch.rand(3, features)).shape == (3,)


def test_circuit_weights_start_uniform(make_ring: MakeRing) -> None:
    weights = torch.cat([make_ring(seed=k).circuit_weights.detach() for k in range(60)])
    assert weights.abs().max() <= math.pi
    # The Kolmogorov-Smirnov distance to the uniform law; 2.6 / sqrt(N) is p < 1e-5.
    ordered = ((weights.sort().values + math.pi) / (2 * math.pi)).numpy()
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    assert np.abs(ordered - steps).max() < 2.6 / math.sqrt(len(ordered))


def test_the_first_action_is_zero_with_sigma_as_documented(make_ring: MakeRing) -> None:
    distribution = make_ring().distribution(torch.rand(5, 6))
    assert torch.equal(distribution.mean, torch.zeros(5))
    assert torch.allclose(distribution.scale, torch.full((5,), 0.6))


def test_log_sigma_is_clamped(make_ring: MakeRing) -> None:
    actor = make_ring()
    for raw, expected in ((-9.0, -3.0), (4.0, 0.5)):
        with torch.no_grad():
            last_layer(actor).bias[1] = raw
        assert torch.allclose(
            actor.distribution(torch.rand(2, 6)).scale.log(), torch.tensor(expected)
        )


def test_a_shared_sigma_is_one_number_that_learns(
    scaler: StateScaler, generator: torch.Generator
) -> None:
    actor = MlpActor.matched(scaler, generator, "shared")
    assert count_parameters(actor) == count_parameters(MlpActor.matched(scaler, generator))
    optimizer = torch.optim.Adam(actor.parameters(), 0.1)
    states = torch.rand(8, 6, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        optimizer.zero_grad()
        distribution = actor.distribution(states)
        (
            distribution.scale.sum() + distribution.mean.square().sum() - distribution.mean[0]
        ).backward()
        optimizer.step()
    distribution = actor.distribution(states)
    assert torch.equal(distribution.scale, distribution.scale[:1].expand(8))
    assert float(distribution.scale[0].detach()) < INITIAL_SIGMA
    assert float(distribution.mean.detach().std()) > 0
    assert not last_layer(actor).weight[1].any()


def test_log_probabilities_are_of_unclipped_actions(make_ring: MakeRing) -> None:
    distribution = make_ring().distribution(torch.rand(1, 6))
    far = torch.tensor([5.0])
    by_hand = -0.5 * (5 / 0.6) ** 2 - math.log(0.6) - 0.5 * math.log(2 * math.pi)
    assert float(distribution.log_prob(far).detach()) == pytest.approx(by_hand, rel=1e-5)


def test_a_backend_of_another_circuit_is_refused(
    scaler: StateScaler, generator: torch.Generator, open_state_vector: type[StateVectorBackend]
) -> None:
    with pytest.raises(ValueError, match="open anew"):
        RingActor(
            RingCircuit(), open_state_vector(RingCircuit(3)), ParameterShift(), scaler, generator
        )


def test_the_linear_encoder_learns_through_the_circuit(make_ring: MakeRing) -> None:
    actor = make_ring(RingCircuit(encoding="linear"))
    with torch.no_grad():
        last_layer(actor).weight += 0.1
    actor.action_mean(torch.rand(3, 6)).sum().backward()
    assert actor.encoder.linear is not None
    assert gradient_of(actor.encoder.linear.weight).abs().min() > 0
