from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam

from policy import (
    Actor,
    Critic,
    MlpActor,
    ParameterShift,
    PpoConfig,
    PpoDiagnostics,
    RingActor,
    RingCircuit,
    Rollout,
    StateScaler,
    update,
)
from policy.ppo import Minibatch, beside_its_group, minibatch_losses, normalised_advantages
from tests.policy.conftest import StateVectorBackend, gradient_of, last_layer

Parts = tuple[RingActor, Critic]


@pytest.fixture
def parts(scaler: StateScaler, open_state_vector: type[StateVectorBackend]) -> Parts:
    circuit = RingCircuit(3, 1)
    generator = torch.Generator().manual_seed(2)
    backend = open_state_vector(circuit)
    actor = RingActor(circuit, backend, ParameterShift(), scaler, generator)
    return actor, Critic(scaler, generator)


def roll_out(actor: Actor, critic: Critic, steps: int = 4, count: int = 6) -> Rollout:
    """Noise for rewards, so that advantages differ."""
    generator = torch.Generator().manual_seed(9)
    states = torch.rand((steps, count, 6), generator=generator)
    flat = states.flatten(0, 1)
    with torch.no_grad():
        distribution = actor.distribution(flat)
        actions = distribution.mean + distribution.scale * torch.randn(
            len(flat), generator=generator
        )
        columns = {
            "actions": actions,
            "log_probs": distribution.log_prob(actions),
            "values": critic(flat),
            "rewards": torch.randn(len(flat), generator=generator),
        }
    dones = torch.zeros(steps, count)
    dones[-1] = 1
    return Rollout(
        states=states, dones=dones, **{k: v.reshape(steps, count) for k, v in columns.items()}
    )


def run(
    actor: Actor, critic: Critic, rollout: Rollout, rate: float = 0.01, **settings: Any
) -> PpoDiagnostics:
    config = PpoConfig(**{"epochs": 1, "minibatches": 1, **settings})
    optimizers = Adam(actor.parameters(), lr=rate), Adam(critic.parameters(), lr=rate)
    return update(actor, critic, *optimizers, rollout, config, torch.Generator().manual_seed(0))


class Fixed(MlpActor):
    """Means given, sigma 1."""

    def __init__(
        self, scaler: StateScaler, generator: torch.Generator, means: torch.Tensor
    ) -> None:
        super().__init__(scaler, generator)
        self.means = means

    def parameters_of(self, state: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.means, torch.zeros_like(self.means)], dim=1)


def test_losses_are_those_computed_by_hand(scaler: StateScaler, generator: torch.Generator) -> None:
    actor = Fixed(scaler, generator, torch.tensor([0.0, 1.0, 0.5]))
    critic = Critic(scaler, generator)
    states, actions = torch.rand(3, 6), torch.tensor([0.0, 0.0, 0.5])
    log_normal = -0.5 * math.log(2 * math.pi)
    # log pi(a) is log_normal, log_normal - .5, log_normal; the old ones make ratios 1, e^.3, e^-.3.
    old = torch.tensor([log_normal, log_normal - 0.8, log_normal + 0.3])
    advantages = torch.tensor([2.0, 1.0, -1.0])
    part = Minibatch(states, actions, old, advantages, torch.tensor([1.0, 0.0, -1.0]))
    losses = minibatch_losses(actor, critic, part, PpoConfig(clip=0.2))
    # min(r A, clip(r) A): 2, 1.2 (clipped from e^.3), and -0.8 (clipped, since it is the smaller).
    assert float(losses.policy) == pytest.approx(-(2 + 1.2 - 0.8) / 3, rel=1e-5)
    values = critic(states).detach()
    squares = ((values - torch.tensor([1.0, 0.0, -1.0])) ** 2).mean()
    assert float(losses.value.detach()) == pytest.approx(float(squares), rel=1e-5)
    assert float(losses.entropy) == pytest.approx(0.5 * math.log(2 * math.pi * math.e), rel=1e-6)
    assert losses.ratio.tolist() == pytest.approx([1.0, math.exp(0.3), math.exp(-0.3)], rel=1e-5)


def test_only_the_first_minibatch_leaves_the_circuit_still(parts: Parts) -> None:
    actor, critic = parts
    rollout = roll_out(actor, critic)
    before = actor.circuit_weights.detach().clone()
    first = run(actor, critic, rollout, minibatches=1)
    assert first.circuit_gradient_norm == 0.0  # the head starts at zero
    assert torch.equal(actor.circuit_weights, before)
    second = run(actor, critic, rollout, minibatches=1)
    assert second.circuit_gradient_norm > 0
    assert bool((actor.circuit_weights != before).all())


def test_everything_moves_in_one_update(parts: Parts) -> None:
    actor, critic = parts
    before = {name: p.detach().clone() for name, p in actor.named_parameters()}
    before_critic = [p.detach().clone() for p in critic.parameters()]
    run(actor, critic, roll_out(actor, critic), minibatches=4, epochs=2)
    for name, parameter in actor.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    for old, parameter in zip(before_critic, critic.parameters(), strict=True):
        assert not torch.equal(parameter, old)


def test_advantages_stay_with_their_transitions(scaler: StateScaler) -> None:
    """A rewarded half of the states: the mean action must move towards what was rewarded there."""
    generator = torch.Generator().manual_seed(1)
    actor, critic = MlpActor(scaler, generator), Critic(scaler, generator)
    states = torch.full((1, 400, 6), 0.5)
    states[:, 200:, 5] = 0.9
    actions = torch.randn((1, 400), generator=generator) * 0.6
    sign = torch.where(states[..., 5] > 0.7, 1.0, -1.0)
    with torch.no_grad():
        log_probs = actor.distribution(states[0]).log_prob(actions[0])[None]
    rollout = Rollout(
        states, actions, log_probs, torch.zeros(1, 400), sign * actions, torch.ones(1, 400)
    )
    run(actor, critic, rollout, minibatches=4, epochs=4)
    mean = actor.action_mean(states[0]).detach()
    assert mean[:200].max() < -0.01
    assert mean[200:].min() > 0.01


def test_without_entropy_clipped_rows_have_no_circuit_gradient(parts: Parts) -> None:
    actor, critic = parts
    backend = actor.backend
    assert isinstance(backend, StateVectorBackend)
    last_layer(actor).sigma = "state"  # a shared one has no path into the circuit
    with torch.no_grad():
        last_layer(actor).weight += 0.2
    rollout = roll_out(actor, critic)
    flat = rollout.states.flatten(0, 1)
    part = Minibatch(
        flat,
        rollout.actions.flatten(),
        rollout.log_probs.flatten() - 1.0,  # every ratio is e: outside the trust region
        torch.ones(len(flat)),
        torch.zeros(len(flat)),
    )
    for into_circuit, expected in ((True, 2), (False, 1)):
        config = PpoConfig(entropy_into_circuit=into_circuit)
        backend.calls.clear()
        actor.zero_grad()
        losses = minibatch_losses(actor, critic, part, config)
        (losses.policy - 0.01 * losses.entropy).backward()
        assert len(backend.calls) == expected
        # The entropy still trains the head.
        assert gradient_of(last_layer(actor).weight).abs().sum() > 0


def test_the_critic_is_explained(scaler: StateScaler, generator: torch.Generator) -> None:
    actor, critic = MlpActor(scaler, generator), Critic(scaler, generator)
    rollout = roll_out(actor, critic)
    found = run(actor, critic, rollout)
    assert found.explained_variance < 1
    assert found.first_ratio_spread == pytest.approx(0.0, abs=1e-6)
    assert found.approximate_kl == pytest.approx(0.0, abs=1e-6)


def test_a_diverged_policy_is_reported(scaler: StateScaler, generator: torch.Generator) -> None:
    actor, critic = MlpActor(scaler, generator), Critic(scaler, generator)
    rollout = roll_out(actor, critic)
    with torch.no_grad():
        next(critic.parameters()).fill_(float("nan"))
    config = PpoConfig(epochs=1, minibatches=1)
    with pytest.raises(FloatingPointError, match="loss is nan"):
        update(
            actor,
            critic,
            SGD(actor.parameters(), lr=0.1),
            SGD(critic.parameters(), lr=0.1),
            rollout,
            config,
            generator,
        )


def test_more_minibatches_than_transitions_are_refused(parts: Parts) -> None:
    actor, critic = parts
    with pytest.raises(ValueError, match="25 minibatches of 24 transitions"):
        run(actor, critic, roll_out(actor, critic), minibatches=25)


@pytest.mark.parametrize("settings", [{"clip": 0.0}, {"clip": 1.0}, {"epochs": 0}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(settings.values())))):
        PpoConfig(**settings)


def test_a_group_is_compared_with_its_other_members() -> None:
    advantages = torch.tensor([[1.0, 2, 6, 10, 10, 40]])
    beside = beside_its_group(advantages, 3)
    assert beside.tolist() == [[1 - 4, 2 - 3.5, 6 - 1.5, 10 - 25, 10 - 25, 40 - 10]]
    assert beside_its_group(advantages, 1) is advantages
    with pytest.raises(ValueError, match="6 episodes are not whole groups of 4"):
        beside_its_group(advantages, 4)


def test_what_the_latents_bring_is_not_learned_from(parts: Parts) -> None:
    """Rewards that differ between groups alone leave the policy where it was."""
    actor, critic = parts
    rollout = roll_out(actor, critic)
    values = torch.zeros_like(rollout.values)
    rewards = torch.tensor([5.0, 5, 5, -5, -5, -5]).expand(4, 6)
    rollout = dataclasses.replace(rollout, rewards=rewards, values=values)
    part = normalised_advantages(rollout, PpoConfig(group=3))[0]
    assert part.abs().max() == 0
    assert normalised_advantages(rollout, PpoConfig())[0].abs().min() > 0.3
