"""What is told of shot noise agrees with measuring again and again."""

from __future__ import annotations

import pytest
import torch

from policy import ParameterShift, RingActor, RingCircuit, Rollout, StateScaler
from policy.measurement_noise import ShotNoise, shot_noise
from tests.policy.conftest import StateVectorBackend, last_layer

STEPS, COUNT, ERROR = 40, 200, 0.02


@pytest.fixture
def actor(
    scaler: StateScaler, generator: torch.Generator, open_state_vector: type[StateVectorBackend]
) -> RingActor:
    circuit = RingCircuit(3, 1)
    actor = RingActor(circuit, open_state_vector(circuit), ParameterShift(), scaler, generator)
    with torch.no_grad():
        row = last_layer(actor).weight[0]
        row += 0.3 * torch.randn(row.shape, generator=generator)
    return actor


def measured_once(
    actor: RingActor, generator: torch.Generator, error: float = ERROR
) -> tuple[Rollout, torch.Tensor]:
    """A rollout under noisy features, and the true features behind it."""
    shape = (STEPS, COUNT, 3)
    true = 2 * torch.rand(shape, generator=generator) - 1
    features = true + error * torch.randn(shape, generator=generator)
    with torch.no_grad():
        policy = actor.distribution_of(features.flatten(0, 1))
        actions = policy.mean + policy.scale * torch.randn(STEPS * COUNT, generator=generator)
        log_probs = policy.log_prob(actions)
    nothing, dones = torch.zeros(STEPS, COUNT), torch.zeros(STEPS, COUNT)
    dones[-1] = 1
    rollout = Rollout(
        states=torch.zeros(STEPS, COUNT, 6),
        actions=actions.reshape(STEPS, COUNT),
        log_probs=log_probs.reshape(STEPS, COUNT),
        values=nothing,
        rewards=nothing,
        dones=dones,
        features=features,
        feature_errors=torch.full(shape, error),
    )
    return rollout, true


def test_the_ratios_spread_is_that_of_a_second_measurement(
    actor: RingActor, generator: torch.Generator
) -> None:
    rollout, true = measured_once(actor, generator)
    second = true + ERROR * torch.randn(true.shape, generator=generator)
    with torch.no_grad():
        again = actor.distribution_of(second.flatten(0, 1)).log_prob(rollout.actions.flatten())
    found = float((again - rollout.log_probs.flatten()).exp().std(correction=0))
    told = shot_noise(actor, rollout)
    assert told is not None
    assert told.ratio_spread == pytest.approx(found, rel=0.08)


def test_the_noise_on_mu_is_that_of_a_measurement(
    actor: RingActor, generator: torch.Generator
) -> None:
    rollout, true = measured_once(actor, generator)
    assert rollout.features is not None
    with torch.no_grad():
        exact = actor.distribution_of(true.flatten(0, 1))
        noisy = actor.distribution_of(rollout.features.flatten(0, 1))
        found = float(((noisy.mean - exact.mean) / exact.scale).square().mean().sqrt())
    told = shot_noise(actor, rollout)
    assert told is not None
    assert told.mu_noise == pytest.approx(found, rel=0.08)


def test_exact_features_have_no_noise_to_tell_of(
    actor: RingActor, generator: torch.Generator
) -> None:
    assert shot_noise(actor, measured_once(actor, generator, error=0.0)[0]) is None


def test_shots_grow_with_the_square_of_the_noise() -> None:
    assert ShotNoise(mu_noise=0.6, ratio_spread=0.0).shots_needed(100) == 400
    assert ShotNoise(mu_noise=0.1, ratio_spread=0.0).shots_needed(100) == 100
