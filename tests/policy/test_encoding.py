from __future__ import annotations

import math

import pytest
import torch

from policy import Encoder, RingCircuit, StateScaler
from tests.policy.conftest import Simulate

CIRCUITS = [
    RingCircuit(3, 2, "dense"),
    RingCircuit(4, 2, "dense"),
    RingCircuit(4, 2, "reupload"),
    RingCircuit(4, 2, "linear"),
    RingCircuit(6, 1, "paper"),
]


def grid(points: int = 4) -> torch.Tensor:
    """States over a grid of all six features."""
    axes = [torch.linspace(-1.0, 1.0, points) * 0.4 + 0.5] * 6
    return torch.cartesian_prod(*axes)[:: points**3 // 8]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=str)
@pytest.mark.parametrize("feature", range(6))
def test_each_feature_changes_the_measured_values(
    circuit: RingCircuit,
    feature: int,
    scaler: StateScaler,
    generator: torch.Generator,
    simulate: Simulate,
) -> None:
    encoder = Encoder(circuit, scaler, generator)
    weights = torch.rand(circuit.num_weights, generator=generator).double() * 6 - 3
    states = grid()
    moved = states.clone()
    moved[:, feature] += 0.2
    with torch.no_grad():
        before = simulate(circuit, encoder(states).double(), weights)
        after = simulate(circuit, encoder(moved).double(), weights)
    change = (after - before).abs().amax(dim=1)
    assert change.min() > 1e-5
    assert change.median() > 1e-3


def test_the_dense_encoding_fills_its_slots_in_order(
    scaler: StateScaler, ring: RingCircuit, generator: torch.Generator
) -> None:
    state = torch.tensor([[0.1, 0.9, 1.2, 0.7, -0.3, 0.8]])
    z = ((state - scaler.mean) / scaler.sd)[0]
    angles = Encoder(ring, scaler, generator)(state)[0]
    order = [5, 0, 1, 2, 3, 4, 5, 0]
    expected = [math.atan(z[k]) + (math.pi / 2 if slot < 4 else 0) for slot, k in enumerate(order)]
    assert torch.allclose(angles, torch.tensor(expected), atol=1e-6)


def test_paper_takes_the_raw_state_twice(scaler: StateScaler, generator: torch.Generator) -> None:
    state = torch.rand(3, 6)
    angles = Encoder(RingCircuit(4, 1, "paper"), scaler, generator)(state)
    assert torch.equal(angles, torch.cat([state[:, :4], state[:, :4]], dim=1))


def test_reupload_repeats_in_every_layer(scaler: StateScaler, generator: torch.Generator) -> None:
    state = torch.rand(2, 6)
    once = Encoder(RingCircuit(4, 3, "dense"), scaler, generator)(state)
    again = Encoder(RingCircuit(4, 3, "reupload"), scaler, generator)(state)
    assert torch.equal(again, once.repeat(1, 3))


def test_angles_never_wrap(
    scaler: StateScaler, ring: RingCircuit, generator: torch.Generator
) -> None:
    angles = Encoder(ring, scaler, generator)(torch.randn(50, 6) * 1e6)
    assert angles[:, :4].min() >= 0
    assert angles[:, :4].max() <= math.pi + 1e-6
    assert angles[:, 4:].abs().max() <= math.pi / 2 + 1e-6


@pytest.mark.parametrize("sd", [[1.0] * 5, [1.0, 1, 1, 1, 1, 0]])
def test_useless_standardisation_is_refused(sd: list[float]) -> None:
    with pytest.raises(ValueError, match="six numbers each, sd positive"):
        StateScaler([0.0] * 6, sd)
