"""Rule `model`: values are measured, their derivative is a model's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.optim import Adam

from policy import (
    Cost,
    Critic,
    Estimate,
    ModelGradient,
    ParameterShift,
    PpoConfig,
    RingActor,
    RingCircuit,
    Rollout,
    StateScaler,
    UpdateProgress,
    compare_gradients,
    expectations,
    update,
)
from policy.agreement import agreement, measured_gradient
from policy.backend import FloatArray
from policy.known_features import KnownFeatures
from tests.policy.conftest import DifferentiableStateVector, StateVectorBackend, gradient_of
from tests.policy.test_ppo import roll_out

CIRCUIT = RingCircuit(3, 2, "linear")


class Sampled(StateVectorBackend):
    """Values with normal errors of a known size, as many shots leave them."""

    def __init__(self, circuit: RingCircuit, spread: float, seed: int = 0) -> None:
        super().__init__(circuit)
        self.spread, self.generator = spread, np.random.default_rng(seed)

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        exact = super().evaluate(angles, weights).values
        noise = self.spread * self.generator.standard_normal(exact.shape)
        cost = Cost(len(weights) * len(angles))
        return Estimate(exact + noise, np.full_like(exact, self.spread), cost)


class Mistaken(DifferentiableStateVector):
    """A model whose derivative is of a circuit with every weight turned a little too far."""

    def __init__(self, circuit: RingCircuit, turned: float) -> None:
        super().__init__(circuit)
        self.turned = turned

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        return super().evaluate(angles, weights + self.turned)

    def vjp(self, angles: FloatArray, weights: FloatArray, upstream: FloatArray) -> FloatArray:
        return super().vjp(angles, weights + self.turned, upstream)


@pytest.fixture
def scaler() -> StateScaler:
    return StateScaler([0.5] * 6, [0.3] * 6)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


def ring(scaler: StateScaler, measured: StateVectorBackend, turned: float = 0.0) -> RingActor:
    """An actor whose head is not at zero, so that gradients reach the circuit."""
    model = Mistaken(CIRCUIT, turned)
    generator = torch.Generator().manual_seed(3)
    actor = RingActor(CIRCUIT, measured, ModelGradient(lambda: model), scaler, generator)
    torch.nn.init.normal_(actor.head[-1].weight, generator=generator)  # type: ignore[arg-type]
    return actor


def with_features(actor: RingActor, rollout: Rollout) -> Rollout:
    """A rollout that was drawn from what the backend measured."""
    steps, count = rollout.actions.shape
    states = rollout.states.flatten(0, 1)
    features, errors = actor.measure(states)
    with torch.no_grad():
        log_probs = actor.distribution_of(features).log_prob(rollout.actions.flatten())
    columns = {name: getattr(rollout, name) for name in ("states", "actions", "values", "rewards")}
    return Rollout(
        **columns,
        dones=rollout.dones,
        log_probs=log_probs.view(steps, count),
        features=features.view(steps, count, -1),
        feature_errors=errors.view(steps, count, -1),
    )


def test_nothing_is_measured_for_a_gradient(scaler: StateScaler) -> None:
    """Neither by the weights nor by the angles, which a trained encoding turns."""
    measured = StateVectorBackend(CIRCUIT)
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(rng.uniform(-3, 3, (4, CIRCUIT.num_angles))).requires_grad_()
    weights = torch.from_numpy(rng.uniform(-3, 3, CIRCUIT.num_weights)).requires_grad_()
    model = DifferentiableStateVector(CIRCUIT)
    rule = ModelGradient(lambda: model)
    upstream = torch.from_numpy(rng.standard_normal((4, 3)))
    (expectations(angles, weights, measured, rule) * upstream).sum().backward()
    assert measured.calls == [(1, 4)]
    exact = angles.detach().numpy(), weights.detach().numpy(), upstream.numpy()
    assert np.allclose(gradient_of(weights).numpy(), model.vjp(*exact), atol=1e-12)
    assert np.allclose(gradient_of(angles).numpy(), model.angle_vjp(*exact), atol=1e-12)


def test_carried_features_are_the_measured_ones_and_follow_the_weights(
    scaler: StateScaler,
) -> None:
    """A model that is wrong alike before and after a step carries them nearly right."""
    measured = Sampled(CIRCUIT, 0.05)
    actor = ring(scaler, measured, turned=0.02)
    rollout = with_features(actor, roll_out(actor, Critic(scaler, torch.Generator())))
    known = KnownFeatures(actor, rollout, "carried")
    chosen = torch.arange(rollout.size)
    assert rollout.features is not None
    features = rollout.features.flatten(0, 1)
    before = known.of(chosen, epoch=0)
    assert before is not None and torch.allclose(before, features, atol=1e-6)
    exact_before = _exact(actor, rollout)
    with torch.no_grad():
        actor.circuit_weights.add_(0.1)
        actor.encoder.requires_grad_(False)
    moved = _exact(actor, rollout) - exact_before
    after = known.of(chosen, epoch=3)
    assert after is not None
    assert moved.abs().max() > 0.1
    assert (after - before - moved).abs().max() < 0.02


def _exact(actor: RingActor, rollout: Rollout) -> torch.Tensor:
    angles = actor.encoder(rollout.states.flatten(0, 1)).detach().double().numpy()
    weights = actor.circuit_weights.detach().double().numpy()
    return torch.from_numpy(StateVectorBackend(CIRCUIT).evaluate(angles, weights[None]).values[0])


def test_an_update_measures_nothing_and_begins_at_a_ratio_of_one(scaler: StateScaler) -> None:
    measured = Sampled(CIRCUIT, 0.05)
    actor = ring(scaler, measured)
    critic = Critic(scaler, torch.Generator().manual_seed(1))
    rollout = with_features(actor, roll_out(actor, critic))
    measured.calls.clear()
    before = actor.circuit_weights.detach().clone()
    config = PpoConfig(epochs=3, minibatches=2, reuse_features="carried")
    optimizers = Adam(actor.parameters(), lr=0.01), Adam(critic.parameters(), lr=0.01)
    found = update(actor, critic, *optimizers, rollout, config, torch.Generator().manual_seed(0))
    assert measured.calls == []
    assert found.first_ratio_spread < 1e-6
    assert found.circuit_gradient_norm > 0
    assert not torch.equal(before, actor.circuit_weights)


def test_features_are_not_carried_from_weights_that_have_moved(scaler: StateScaler) -> None:
    actor = ring(scaler, StateVectorBackend(CIRCUIT))
    critic = Critic(scaler, torch.Generator().manual_seed(1))
    rollout = with_features(actor, roll_out(actor, critic))
    progress = UpdateProgress()
    config = PpoConfig(epochs=1, minibatches=2, reuse_features="carried")
    optimizers = Adam(actor.parameters(), lr=0.01), Adam(critic.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    update(actor, critic, *optimizers, rollout, config, generator, progress)
    with pytest.raises(ValueError, match="begin the update anew"):
        update(actor, critic, *optimizers, rollout, config, generator, progress)


def test_a_rule_without_a_model_carries_and_compares_nothing(scaler: StateScaler) -> None:
    actor = ring(scaler, StateVectorBackend(CIRCUIT))
    rollout = with_features(actor, roll_out(actor, Critic(scaler, torch.Generator())))
    actor.rule = ParameterShift()
    with pytest.raises(ValueError, match="'shift' has no model"):
        actor.modelled(rollout.states.flatten(0, 1))
    with pytest.raises(ValueError, match="'shift' has no model"):
        compare_gradients(actor, rollout, PpoConfig(), 2, np.random.default_rng(0))


def test_a_true_model_agrees_exactly_and_a_false_one_does_not(scaler: StateScaler) -> None:
    """Without shots the interval is a point; the rule is what it was afterwards."""
    measured = StateVectorBackend(CIRCUIT)
    for turned, low, high in ((0.0, 1 - 1e-9, 1.0), (0.05, 0.8, 0.999), (np.pi, -1.0, 0.7)):
        actor = ring(scaler, measured, turned)
        rule = actor.rule
        rollout = with_features(actor, roll_out(actor, Critic(scaler, torch.Generator())))
        measured.calls.clear()
        found = compare_gradients(actor, rollout, PpoConfig(), 5, np.random.default_rng(0))
        assert found is not None and actor.rule is rule
        assert measured.calls == [(2 * CIRCUIT.num_weights, 5)]
        assert (found.transitions, found.circuits) == (5, 10 * CIRCUIT.num_weights)
        assert low <= found.cosine <= high + 1e-9
        assert found.low == pytest.approx(found.cosine) == found.high


def test_without_a_gradient_there_is_nothing_to_compare(scaler: StateScaler) -> None:
    measured = StateVectorBackend(CIRCUIT)
    actor = ring(scaler, measured)
    torch.nn.init.zeros_(actor.head[-1].weight)  # type: ignore[arg-type]
    rollout = with_features(actor, roll_out(actor, Critic(scaler, torch.Generator())))
    measured.calls.clear()
    assert compare_gradients(actor, rollout, PpoConfig(), 5, np.random.default_rng(0)) is None
    assert measured.calls == []


def test_a_measured_gradients_errors_are_its_scatter() -> None:
    circuit = RingCircuit(3, 1)
    rng = np.random.default_rng(1)
    asked = (
        rng.uniform(-3, 3, (4, circuit.num_angles)),
        rng.uniform(-3, 3, circuit.num_weights),
        rng.standard_normal((4, 3)),
    )
    backend = Sampled(circuit, 0.03)
    draws = [measured_gradient(backend, *asked) for _ in range(300)]
    scatter = np.std([each.weights for each in draws], axis=0, ddof=1)
    assert np.allclose(scatter, draws[0].errors, rtol=0.15)
    exact = DifferentiableStateVector(circuit).vjp(*asked)
    mean = np.mean([each.weights for each in draws], axis=0)
    assert np.abs(mean - exact).max() < 5 * draws[0].errors.max() / 300**0.5


@pytest.mark.parametrize("cosine", [0.95, 0.8, 0.3])
@pytest.mark.parametrize("noise", [0.1, 0.4, 1.0])
def test_a_cosines_interval_holds_it_as_often_as_it_says(cosine: float, noise: float) -> None:
    """`noise` is that of the whole gradient against its length; 32 weights, 400 measurements."""
    rng = np.random.default_rng(4)
    modelled = np.eye(32)[0]
    truth = cosine * np.eye(32)[0] + np.sqrt(1 - cosine**2) * np.eye(32)[1]
    errors = np.full(32, noise / np.sqrt(32))
    found = [
        agreement(modelled, truth + errors * rng.standard_normal(32), errors, rng)
        for _ in range(400)
    ]
    held = np.mean([each.low <= cosine <= each.high for each in found])
    assert held > 0.9
    if noise < 0.5:
        assert np.mean([each.cosine for each in found]) == pytest.approx(cosine, abs=0.03)
        assert np.mean([each.length for each in found]) == pytest.approx(1, abs=0.03)
