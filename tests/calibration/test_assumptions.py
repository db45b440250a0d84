"""Coherent errors in the noise model, and what is assumed of waits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit.quantum_info import SuperOp, average_gate_fidelity
from qiskit_aer.noise import NoiseModel

from calibration import ASSUMED, VENDOR, Assumptions, DeviceSnapshot, noise_model

ANGLE = 0.06


def after_gate(model: NoiseModel, name: str, qubits: tuple[int, ...]) -> SuperOp:
    return SuperOp(model._local_quantum_errors[name][qubits])


def added(
    snapshot: DeviceSnapshot, name: str, qubits: tuple[int, ...], assumed: Assumptions
) -> SuperOp:
    """What an assumption adds to a gate's published error."""
    place = tuple(range(len(qubits)))
    published = after_gate(noise_model(snapshot, qubits), name, place)
    whole = after_gate(noise_model(snapshot, qubits, assumed), name, place)
    return SuperOp(whole.data @ np.linalg.inv(published.data))


@pytest.fixture(scope="module")
def pair(brisbane: DeviceSnapshot) -> tuple[int, ...]:
    return next(g.qubits for g in brisbane.gates if g.name == "ecr" and g.usable)


def turn(angle: float, pauli: NDArray[np.complex128]) -> SuperOp:
    unitary = math.cos(angle / 2) * np.eye(len(pauli)) - 1j * math.sin(angle / 2) * pauli
    return SuperOp(np.kron(unitary.conj(), unitary))


def test_a_zz_turn_follows_two_qubit_gates(brisbane: DeviceSnapshot, pair: tuple[int, ...]) -> None:
    found = added(brisbane, "ecr", pair, Assumptions(zz_angle=ANGLE))
    expected = turn(ANGLE, np.diag([1, -1, -1, 1]).astype(complex))
    assert np.abs(found.data - expected.data).max() < 1e-9
    infidelity = 1 - average_gate_fidelity(found)
    assert infidelity == pytest.approx(4 / 5 * math.sin(ANGLE / 2) ** 2, rel=1e-6)


@pytest.mark.parametrize(("gate", "times"), [("sx", 1), ("x", 2)])
def test_one_qubit_gates_turn_too_far(brisbane: DeviceSnapshot, gate: str, times: int) -> None:
    found = added(brisbane, gate, (5,), Assumptions(over_rotation=ANGLE))
    expected = turn(times * ANGLE, np.array([[0, 1], [1, 0]], complex))
    assert np.abs(found.data - expected.data).max() < 1e-9


def test_a_twirled_error_is_as_large_and_has_no_phase(
    brisbane: DeviceSnapshot, pair: tuple[int, ...]
) -> None:
    given = noise_model(brisbane, pair, Assumptions(zz_angle=ANGLE, twirl="pauli"))
    published = after_gate(noise_model(brisbane, pair), "ecr", (0, 1))
    found = SuperOp(after_gate(given, "ecr", (0, 1)).data @ np.linalg.inv(published.data))
    signs = np.diag([1, -1, -1, 1]).astype(complex)
    chance = math.sin(ANGLE / 2) ** 2
    expected = (1 - chance) * np.eye(16) + chance * np.kron(signs, signs)
    assert np.abs(found.data - expected).max() < 1e-9


def test_nothing_coherent_is_assumed(brisbane: DeviceSnapshot, pair: tuple[int, ...]) -> None:
    plain = after_gate(noise_model(brisbane, pair), "ecr", (0, 1))
    for assumed in (ASSUMED, VENDOR):
        found = after_gate(noise_model(brisbane, pair, assumed), "ecr", (0, 1))
        assert np.array_equal(found.data, plain.data)
    assert (ASSUMED.idle, VENDOR.idle) == ("alap", "off")


def test_noise_scales_by_infidelity() -> None:
    scaled = Assumptions(zz_angle=0.02, over_rotation=0.01).scaled(4.0)
    assert (scaled.zz_angle, scaled.over_rotation) == pytest.approx((0.04, 0.02))


def test_coherent_errors_in_words() -> None:
    assert ASSUMED.coherent == ""
    assert Assumptions(zz_angle=0.025).coherent == "ZZ 0.025 rad"
    both = Assumptions(zz_angle=0.025, over_rotation=0.01, twirl="pauli")
    assert both.coherent == "ZZ 0.025 rad, over-rotation 0.01 rad, Pauli-twirled"
