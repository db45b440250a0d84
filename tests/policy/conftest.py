"""An independent state-vector simulator with torch's autograd, and a backend made of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from policy import Cost, Estimate, MlpActor, RingActor, RingCircuit, StateScaler
from policy.actors import OutputLayer
from policy.backend import FloatArray
from policy.circuit import Encoding, Entanglement

torch.set_num_threads(1)

Shape = tuple[int, int, Encoding, Entanglement]
"""The fields of a `RingCircuit`, in order."""
Simulate = Callable[[RingCircuit, Tensor, Tensor], Tensor]
ENCODINGS: tuple[Encoding, ...] = ("dense", "paper", "linear", "reupload")
ENTANGLEMENTS: tuple[Entanglement, ...] = ("ring", "line", "full", "none")


def ry(angle: Tensor) -> Tensor:
    c, s = torch.cos(angle / 2), torch.sin(angle / 2)
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2) + 0j


def rx(angle: Tensor) -> Tensor:
    c, s = torch.cos(angle / 2) + 0j, torch.sin(angle / 2) * -1j
    return torch.stack([torch.stack([c, s], -1), torch.stack([s, c], -1)], -2)


def rz(angle: Tensor) -> Tensor:
    down = torch.cos(angle / 2) - 1j * torch.sin(angle / 2)
    zero = torch.zeros_like(down)
    return torch.stack([torch.stack([down, zero], -1), torch.stack([zero, down.conj()], -1)], -2)


def turn(state: Tensor, gate: Tensor, qubit: int) -> Tensor:
    """Apply a gate (2, 2) or (B, 2, 2) to a qubit; axis 1 + qubit of state (B, 2, ..., 2)."""
    moved = state.movedim(1 + qubit, 1)
    flat = gate @ moved.reshape(*moved.shape[:2], -1)
    return flat.reshape(moved.shape).movedim(1, 1 + qubit)


def cnot(state: Tensor, control: int, target: int) -> Tensor:
    moved = state.movedim((1 + control, 1 + target), (1, 2))
    flipped = torch.stack([moved[:, 0], moved[:, 1].flip(1)], 1)
    return flipped.movedim((1, 2), (1 + control, 1 + target))


def expectation_values(circuit: RingCircuit, angles: Tensor, weights: Tensor) -> Tensor:
    """<Z_i> (B, n) of the paper's circuit, gate by gate; weights (P,) or, row by row, (B, P)."""
    n, rows = circuit.num_qubits, angles.shape[0]
    state = torch.zeros((rows, 2**n), dtype=torch.complex128)
    state[:, 0] = 1
    state = state.reshape(rows, *[2] * n)
    for layer in range(circuit.depth):
        if layer == 0 or circuit.encoding == "reupload":
            for qubit in range(n):
                state = turn(state, ry(angles[:, 2 * n * layer + qubit]), qubit)
                state = turn(state, rz(angles[:, 2 * n * layer + n + qubit]), qubit)
        for qubit in range(n):
            phi, theta, omega = weights[..., 4 * (layer * n + qubit) :][..., :3].unbind(-1)
            state = turn(state, rz(omega) @ ry(theta) @ rz(phi), qubit)
        for control, target in pairs(circuit):
            state = cnot(state, control, target)
        for qubit in range(n):
            state = turn(state, rx(weights[..., 4 * (layer * n + qubit) + 3]), qubit)
    probabilities = state.abs().square()
    return torch.stack(
        [
            probabilities.select(1 + q, 0).flatten(1).sum(1)
            - probabilities.select(1 + q, 1).flatten(1).sum(1)
            for q in range(n)
        ],
        dim=1,
    )


def pairs(circuit: RingCircuit) -> list[tuple[int, int]]:
    """CNOTs of a layer, written out again from the definition."""
    n = circuit.num_qubits
    if n == 1 or circuit.entanglement == "none":
        return []
    if circuit.entanglement == "full":
        return [(i, j) for i in range(n) for j in range(n) if i < j]
    return [(i, (i + 1) % n) for i in range(n if circuit.entanglement == "ring" else n - 1)]


def gradient_of(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad


def last_layer(actor: RingActor | MlpActor) -> OutputLayer:
    layer = actor.head[-1]
    assert isinstance(layer, OutputLayer)
    return layer


class StateVectorBackend:
    """Counts what it is asked for; `offset` makes values leave [-1, 1] as mitigation may."""

    def __init__(self, circuit: RingCircuit, offset: float = 0.0) -> None:
        self.circuit, self.offset = circuit, offset
        self.calls: list[tuple[int, int]] = []

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        self.calls.append((len(weights), len(angles)))
        rows = torch.from_numpy(angles).repeat(len(weights), 1)
        sets = torch.from_numpy(weights).repeat_interleave(len(angles), dim=0)
        values = expectation_values(self.circuit, rows, sets).numpy()
        stacked = values.reshape(len(weights), len(angles), -1) + self.offset
        return Estimate(stacked, np.zeros_like(stacked), Cost(len(weights) * len(angles)))


class DifferentiableStateVector(StateVectorBackend):
    """The same with torch's derivative."""

    @torch.enable_grad()
    def vjp(self, angles: FloatArray, weights: FloatArray, upstream: FloatArray) -> FloatArray:
        w = torch.from_numpy(weights).requires_grad_()
        x = torch.from_numpy(angles)
        (expectation_values(self.circuit, x, w) * torch.from_numpy(upstream)).sum().backward()
        return gradient_of(w).numpy()

    def angle_vjp(
        self, angles: FloatArray, weights: FloatArray, upstream: FloatArray
    ) -> FloatArray:
        x = torch.from_numpy(angles).requires_grad_()
        values = expectation_values(self.circuit, x, torch.from_numpy(weights))
        (values * torch.from_numpy(upstream)).sum().backward()
        return gradient_of(x).numpy()


@pytest.fixture
def simulate() -> Simulate:
    return expectation_values


@pytest.fixture
def open_state_vector() -> type[StateVectorBackend]:
    return StateVectorBackend


@pytest.fixture
def open_differentiable() -> type[DifferentiableStateVector]:
    return DifferentiableStateVector


@pytest.fixture
def scaler() -> StateScaler:
    return StateScaler([0.5, 1.0, 1.0, 0.9, 0.0, 0.6], [0.3, 0.1, 0.1, 0.2, 0.5, 0.3])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def ring() -> RingCircuit:
    return RingCircuit()
