from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from calibration import DeviceSnapshot, confusion_matrices
from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.mitigation.readout import ReadoutInversion, measurement_circuits
from qhw.errors import MitigationError


def read(z: FloatArray, p01: FloatArray, p10: FloatArray) -> FloatArray:
    """What is read of <Z>, from the confusion matrices' definition."""
    ones = (1 - z) / 2
    seen = ones * (1 - p10) + (1 - ones) * p01
    result: FloatArray = 1 - 2 * seen
    return result


def test_it_undoes_the_reading() -> None:
    rng = np.random.default_rng(1)
    p01, p10 = rng.uniform(0, 0.3, (2, 5))
    z = rng.uniform(-1, 1, (7, 3, 5))
    inversion = ReadoutInversion(p01, p10, "made up")
    values, errors = inversion.combine([(read(z, p01, p10), np.full(z.shape, 0.01))])
    assert np.abs(values - z).max() < 1e-14
    assert np.allclose(errors, 0.01 / (1 - p01 - p10))
    assert np.allclose(inversion.gain(), 1 / (1 - p01 - p10))


def test_published_errors_take_our_own_read_out_model_out_exactly(
    circuit: RingCircuit, layout: Any
) -> None:
    snapshot, transpiled = layout("fake_brisbane")
    perfect = dataclasses.replace(
        snapshot,
        qubits=tuple(dataclasses.replace(q, p01=0.0, p10=0.0) for q in snapshot.qubits),
    )
    rng = np.random.default_rng(2)
    angles = rng.uniform(-3, 3, (5, circuit.num_angles))
    weights = rng.uniform(-3, 3, (2, circuit.num_weights))
    raw = NoisyAerBackend(circuit, snapshot, transpiled).evaluate(angles, weights)
    expected = NoisyAerBackend(circuit, perfect, transpiled).evaluate(angles, weights).values
    inversion = ReadoutInversion.published(snapshot, transpiled.output_qubits)
    values, errors = inversion.combine([(raw.values, raw.standard_errors)])
    assert np.abs(values - expected).max() < 1e-12
    assert np.abs(raw.values - expected).max() > 1e-3
    assert not errors.any()
    assert snapshot.taken_at in str(inversion.facts().words()["read-out errors"])


def test_measured_errors_are_those_of_the_device(layout: Any) -> None:
    snapshot, transpiled = layout("fake_fez")
    outputs = transpiled.output_qubits
    confusion = confusion_matrices(snapshot, outputs)
    p01, p10 = confusion[:, 1, 0], confusion[:, 0, 1]
    ones, zeros = -np.ones(len(outputs)), np.ones(len(outputs))
    inversion = ReadoutInversion.measured(
        read(zeros, p01, p10), read(ones, p01, p10), 4096, "2026-01-01"
    )
    assert np.abs(inversion.p01 - p01).max() < 1e-15
    assert np.abs(inversion.p10 - p10).max() < 1e-15
    assert "measured 2026-01-01, 4096 shots" in inversion.source


def test_the_circuits_that_measure_it_use_the_devices_gates(layout: Any) -> None:
    snapshot: DeviceSnapshot
    snapshot, transpiled = layout("fake_fez")
    zeros, ones = measurement_circuits(snapshot.num_qubits, transpiled.output_qubits)
    offered = {(gate.name, gate.qubits) for gate in snapshot.gates}
    made = [(item.operation.name, (ones.find_bit(item.qubits[0]).index,)) for item in ones.data]
    assert made == [("x", (qubit,)) for qubit in transpiled.output_qubits]
    assert set(made) <= offered
    assert len(zeros.data) == 0
    assert zeros.num_qubits == ones.num_qubits == snapshot.num_qubits
    assert not zeros.parameters
    assert not ones.parameters


def test_stated_errors_are_the_spread() -> None:
    rng = np.random.default_rng(3)
    p01, p10, z, shots = np.array([0.03]), np.array([0.08]), 0.4, 1000
    raw = 1 - 2 * rng.binomial(shots, (1 - read(np.array(z), p01, p10)) / 2, (20_000, 1)) / shots
    inversion = ReadoutInversion(p01, p10, "known")
    values, errors = inversion.combine([(raw, np.sqrt((1 - raw**2) / shots))])
    assert values.std() == pytest.approx(errors.mean(), rel=0.03)
    assert values.mean() == pytest.approx(z, abs=1e-3)


def test_its_own_error_is_the_spread_over_measurements_of_it() -> None:
    rng = np.random.default_rng(4)
    p01, p10, z, shots = np.array([0.03]), np.array([0.08]), 0.4, 1000
    found, stated = [], []
    for _ in range(4000):
        of_zeros = 1 - 2 * rng.binomial(shots, p01) / shots
        of_ones = 1 - 2 * rng.binomial(shots, 1 - p10) / shots
        inversion = ReadoutInversion.measured(of_zeros, of_ones, shots, "today")
        value, _ = inversion.combine([(read(np.array([z]), p01, p10), np.zeros(1))])
        found.append(value[0])
        stated.append(inversion.own_error(value)[0])
    assert np.std(found) == pytest.approx(np.mean(stated), rel=0.05)


@pytest.mark.parametrize("p10", [0.5, float("nan")])
def test_a_read_out_that_says_nothing_is_refused(p10: float) -> None:
    with pytest.raises(MitigationError, match=r"p01 = 0\.450.*at least 0\.1") as caught:
        ReadoutInversion(np.array([0.01, 0.45]), np.array([0.01, p10]), "published today")
    assert "--mitigation none" in caught.value.hint


def test_several_scales_are_refused() -> None:
    pair = (np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="takes one"):
        ReadoutInversion(np.zeros(1), np.zeros(1), "none").combine([pair, pair])
