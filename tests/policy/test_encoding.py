from __future__ import annotations

import math
from collections.abc import Sequence

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
    with pytest.raises(ValueError, match="one of each per column, sd positive"):
        StateScaler([0.0] * 6, sd)


def test_other_columns_are_encoded_in_the_order_given(generator: torch.Generator) -> None:
    mean, sd = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [1.0, 2, 3, 4, 5, 6, 7]
    order = (6, 0, 1, 2, 3, 4, 5)
    state = torch.rand(1, 7)
    angles = Encoder(RingCircuit(4), StateScaler(mean, sd), generator, order)(state)[0]
    z = ((state[0] - torch.tensor(mean)) / torch.tensor(sd)).tolist()
    expected = [math.atan(z[k]) + (math.pi / 2 if slot < 4 else 0) for slot, k in enumerate(order)]
    assert torch.allclose(angles[:7], torch.tensor(expected), atol=1e-6)
    assert angles[7] == pytest.approx(math.atan(z[6]), abs=1e-6)  # slots left over begin again


@pytest.mark.parametrize(
    ("circuit", "columns", "order", "said"),
    [
        (RingCircuit(2), 6, range(6), "4 slots on 2 qubits for 6 features: take 3 qubits"),
        (RingCircuit(4), 9, range(9), "8 slots on 4 qubits for 9 features: take 5 qubits"),
        (RingCircuit(4, 2, "reupload"), 9, range(9), "encoding 'reupload' has 8 slots"),
        (RingCircuit(4), 7, range(6), "name each of the 7 columns once"),
        (RingCircuit(4), 3, (0, 1, 1), "name each of the 3 columns once"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    circuit: RingCircuit, columns: int, order: Sequence[int], said: str, generator: torch.Generator
) -> None:
    scaler = StateScaler([0.0] * columns, [1.0] * columns)
    with pytest.raises(ValueError, match=said):
        Encoder(circuit, scaler, generator, order)


def test_four_columns_fit_on_two_qubits(generator: torch.Generator) -> None:
    scaler = StateScaler([0.0] * 4, [1.0] * 4)
    assert Encoder(RingCircuit(2), scaler, generator, range(4))(torch.zeros(1, 4)).shape == (1, 4)
