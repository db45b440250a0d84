from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit.providers import BackendV2
from qiskit.quantum_info import SuperOp
from qiskit_aer.noise import NoiseModel
from qiskit_ibm_runtime.fake_provider import FakeBrisbane, FakeFez

from calibration import DeviceSnapshot, confusion_matrices, noise_model, scale_noise


@pytest.fixture(scope="module")
def few(fez: DeviceSnapshot) -> DeviceSnapshot:
    """Three qubits of the device: failures of a property test print their arguments."""
    gates = tuple(g for g in fez.gates if max(g.qubits) < 3)
    return dataclasses.replace(fez, qubits=fez.qubits[:3], gates=gates)


def channels(model: NoiseModel, name: str, qubits: Sequence[int]) -> NDArray[np.complex128]:
    data: NDArray[np.complex128] = SuperOp(model._local_quantum_errors[name][tuple(qubits)]).data
    return data


@pytest.mark.parametrize(("name", "device"), [("brisbane", FakeBrisbane), ("fez", FakeFez)])
def test_channels_are_the_vendors(
    name: str, device: type[BackendV2], request: pytest.FixtureRequest
) -> None:
    snapshot = request.getfixturevalue(name)
    gate = next(g for g in snapshot.gates if len(g.qubits) == 2)
    ours = noise_model(snapshot, gate.qubits)
    backend = device()
    backend._target = snapshot.target()  # without the read-out's asymmetry, which is elsewhere
    theirs = NoiseModel.from_backend(backend, readout_error=False)
    expected = channels(theirs, gate.name, gate.qubits)
    assert np.abs(channels(ours, gate.name, (0, 1)) - expected).max() < 1e-12
    for index, qubit in enumerate(gate.qubits):
        expected = channels(theirs, "sx", (qubit,))
        assert np.abs(channels(ours, "sx", (index,)) - expected).max() < 1e-12


def test_rz_is_free(fez: DeviceSnapshot) -> None:
    assert "rz" not in noise_model(fez, [0, 1]).noise_instructions


@settings(max_examples=20)
@given(scale=st.floats(0, 200).filter(lambda scale: scale != 1))
def test_scaled_noise_stays_physical(few: DeviceSnapshot, scale: float) -> None:
    scaled = scale_noise(few, scale)
    for before, after in zip(few.qubits, scaled.snapshot.qubits, strict=True):
        assert 0 <= after.p01 <= 0.5
        assert after.p10 == min(before.p10 * scale, 0.5)
        if after.t1 is not None and after.t2 is not None:
            assert before.t1 is not None and before.t2 is not None
            assert after.t1 == before.t1 / scale
            assert after.t2 == before.t2 / scale
    for gate in scaled.snapshot.gates:
        assert 0 <= (gate.error or 0) <= 1 - 0.5 ** len(gate.qubits)


def test_scale_one_changes_nothing_but_what_no_gate_can_be(fez: DeviceSnapshot) -> None:
    lost = [gate for gate in fez.gates if not gate.usable]
    assert lost, "a device with gates that are published with an error of 1"
    scaled = scale_noise(fez, 1.0)
    assert scaled.caps == (f"{len(lost)} gate errors capped",)
    for before, after in zip(fez.gates, scaled.snapshot.gates, strict=True):
        assert after == before or (before in lost and after.error == 1 - 0.5 ** len(after.qubits))
    calibrated = [q for q in range(len(fez.qubits)) if all(q not in g.qubits for g in lost)]
    assert scale_noise(fez, 1.0, calibrated).caps == ()


def test_an_uncalibrated_gate_is_no_noisier_at_scale_one_than_at_two(fez: DeviceSnapshot) -> None:
    gate = next(g for g in fez.gates if not g.usable and len(g.qubits) == 2)
    once, twice = (
        channels(noise_model(scale_noise(fez, scale).snapshot, gate.qubits), gate.name, (0, 1))
        for scale in (1.0, 2.0)
    )
    assert np.trace(once).real >= np.trace(twice).real - 1e-12


def test_caps_are_reported(fez: DeviceSnapshot) -> None:
    told = " ".join(scale_noise(fez, 500.0).caps)
    assert "gate errors capped" in told
    assert "read-out errors capped at 0.5" in told


def test_caps_are_counted_among_the_qubits_in_use(fez: DeviceSnapshot) -> None:
    assert scale_noise(fez, 8.0).caps, "somewhere on the device"
    worst = max(range(len(fez.qubits)), key=lambda k: max(fez.qubits[k].p01, fez.qubits[k].p10))
    best = min(range(len(fez.qubits)), key=lambda k: max(fez.qubits[k].p01, fez.qubits[k].p10))
    assert scale_noise(fez, 8.0, [best]).caps == ()
    assert scale_noise(fez, 8.0, [worst, best]).caps == ("1 read-out errors capped at 0.5",)


def test_a_negative_scale_is_refused(fez: DeviceSnapshot) -> None:
    with pytest.raises(ValueError, match=r"-0\.5: choose 0 or more"):
        scale_noise(fez, -0.5)


def test_confusion_keeps_both_errors_apart(brisbane: DeviceSnapshot) -> None:
    (matrix,) = confusion_matrices(brisbane, [17])
    facts = brisbane.qubits[17]
    assert matrix.tolist() == [[1 - facts.p01, facts.p10], [facts.p01, 1 - facts.p10]]
    assert matrix.sum(axis=0) == pytest.approx([1, 1])
    (mean,) = confusion_matrices(brisbane, [17], symmetric=True)
    assert mean[1, 0] == mean[0, 1] == facts.readout_error


def test_no_error_is_no_confusion(brisbane: DeviceSnapshot) -> None:
    clean = dataclasses.replace(brisbane.qubits[0], p01=0.0, p10=0.0)
    snapshot = dataclasses.replace(brisbane, qubits=(clean, *brisbane.qubits[1:]))
    assert np.array_equal(confusion_matrices(snapshot, [0])[0], np.eye(2))


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_every_number_is_scaled_as_stated(fez: DeviceSnapshot, scale: float) -> None:
    scaled = scale_noise(fez, scale).snapshot
    for before, after in zip(fez.gates, scaled.gates, strict=True):
        limit = 0.5 if len(before.qubits) == 1 else 0.75
        expected = None if before.error is None else min(scale * before.error, limit)
        assert after.error == expected
        assert (after.name, after.qubits, after.seconds) == (
            before.name,
            before.qubits,
            before.seconds,
        )
    for old, new in zip(fez.qubits, scaled.qubits, strict=True):
        assert (new.p01, new.p10) == (min(scale * old.p01, 0.5), min(scale * old.p10, 0.5))
        assert new.t1 == (None if old.t1 is None else old.t1 / scale)
        assert new.t2 == (None if old.t2 is None else old.t2 / scale)
