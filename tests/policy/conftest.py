"""An independent state-vector simulator with torch's autograd, and a backend made of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from policy import Cost, Estimate, RingCircuit, StateScaler

torch.set_num_threads(1)


def ry(angle):
    c, s = torch.cos(angle / 2), torch.sin(angle / 2)
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2) + 0j


def rx(angle):
    c, s = torch.cos(angle / 2) + 0j, torch.sin(angle / 2) * -1j
    return torch.stack([torch.stack([c, s], -1), torch.stack([s, c], -1)], -2)


def rz(angle):
    down = torch.cos(angle / 2) - 1j * torch.sin(angle / 2)
    zero = torch.zeros_like(down)
    return torch.stack([torch.stack([down, zero], -1), torch.stack([zero, down.conj()], -1)], -2)


def turn(state, gate, qubit):
    """Apply a gate (2, 2) or (B, 2, 2) to a qubit; axis 1 + qubit of state (B, 2, ..., 2)."""
    moved = state.movedim(1 + qubit, 1)
    flat = gate @ moved.reshape(*moved.shape[:2], -1)
    return flat.reshape(moved.shape).movedim(1, 1 + qubit)


def cnot(state, control, target):
    moved = state.movedim((1 + control, 1 + target), (1, 2))
    flipped = torch.stack([moved[:, 0], moved[:, 1].flip(1)], 1)
    return flipped.movedim((1, 2), (1 + control, 1 + target))


def expectation_values(circuit, angles, weights):
    """<Z_i> (B, n) of the paper's circuit, gate by gate."""
    n, rows = circuit.num_qubits, angles.shape[0]
    state = torch.zeros((rows, *[2] * n), dtype=torch.complex128)
    state[(slice(None), *[0] * n)] = 1
    for layer in range(circuit.depth):
        if layer == 0 or circuit.encoding == "reupload":
            for qubit in range(n):
                state = turn(state, ry(angles[:, 2 * n * layer + qubit]), qubit)
                state = turn(state, rz(angles[:, 2 * n * layer + n + qubit]), qubit)
        for qubit in range(n):
            phi, theta, omega = weights[4 * (layer * n + qubit) :][:3]
            state = turn(state, rz(omega) @ ry(theta) @ rz(phi), qubit)
        for control, target in pairs(circuit):
            state = cnot(state, control, target)
        for qubit in range(n):
            state = turn(state, rx(weights[4 * (layer * n + qubit) + 3]), qubit)
    probabilities = state.abs().square()
    return torch.stack(
        [
            probabilities.select(1 + q, 0).flatten(1).sum(1)
            - probabilities.select(1 + q, 1).flatten(1).sum(1)
            for q in range(n)
        ],
        dim=1,
    )


def pairs(circuit):
    """CNOTs of a layer, written out again from the definition."""
    n = circuit.num_qubits
    if n == 1 or circuit.entanglement == "none":
        return []
    if circuit.entanglement == "full":
        return [(i, j) for i in range(n) for j in range(n) if i < j]
    return [(i, (i + 1) % n) for i in range(n if circuit.entanglement == "ring" else n - 1)]


class StateVectorBackend:
    """Counts what it is asked for; `offset` makes values leave [-1, 1] as mitigation may."""

    def __init__(self, circuit, offset=0.0):
        self.circuit, self.offset, self.calls = circuit, offset, []

    def evaluate(self, angles, weights):
        self.calls.append((len(weights), len(angles)))
        values = [
            expectation_values(self.circuit, torch.from_numpy(angles), row).numpy()
            for row in torch.from_numpy(weights)
        ]
        stacked = np.stack(values) + self.offset
        return Estimate(stacked, np.zeros_like(stacked), Cost(len(weights) * len(angles)))


class DifferentiableStateVector(StateVectorBackend):
    """The same with torch's derivative."""

    def vjp(self, angles, weights, upstream):
        w = torch.from_numpy(weights).requires_grad_()
        x = torch.from_numpy(angles)
        (expectation_values(self.circuit, x, w) * torch.from_numpy(upstream)).sum().backward()
        return w.grad.numpy()

    def angle_vjp(self, angles, weights, upstream):
        x = torch.from_numpy(angles).requires_grad_()
        values = expectation_values(self.circuit, x, torch.from_numpy(weights))
        (values * torch.from_numpy(upstream)).sum().backward()
        return x.grad.numpy()


@pytest.fixture
def simulate():
    return expectation_values


@pytest.fixture
def open_state_vector():
    return StateVectorBackend


@pytest.fixture
def open_differentiable():
    return DifferentiableStateVector


@pytest.fixture
def scaler():
    return StateScaler([0.5, 1.0, 1.0, 0.9, 0.0, 0.6], [0.3, 0.1, 0.1, 0.2, 0.5, 0.3])


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


@pytest.fixture
def ring():
    return RingCircuit()
