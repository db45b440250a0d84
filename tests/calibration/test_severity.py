"""Noise by kind: whole it is the vendor's, and every kind can be left out or taken alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import SuperOp, average_gate_fidelity
from qiskit_aer.noise import NoiseModel, thermal_relaxation_error

from calibration import (
    KINDS,
    PUBLISHED,
    Assumptions,
    DeviceSnapshot,
    Severity,
    confusion_matrices,
    misread,
    noise_model,
)
from calibration.gate_errors import gate_errors


def model(snapshot: DeviceSnapshot, qubits: tuple[int, ...], severity: Severity) -> NoiseModel:
    return noise_model(snapshot, qubits, Assumptions(severity=severity))


def after(noise: NoiseModel, name: str, qubits: tuple[int, ...]) -> SuperOp:
    return SuperOp(noise._local_quantum_errors[name][qubits])


@pytest.mark.parametrize("device", ["brisbane", "fez"])
def test_taken_apart_and_whole_again_it_is_the_vendors(
    device: str, request: pytest.FixtureRequest
) -> None:
    snapshot: DeviceSnapshot = request.getfixturevalue(device)
    pair = next(g.qubits for g in snapshot.gates if len(g.qubits) == 2 and g.usable)
    vendors = noise_model(snapshot, pair)
    ours = {(n, q): error for n, q, error in gate_errors(snapshot.target(pair), PUBLISHED)}
    theirs = {
        (name, qubits)
        for name, errors in vendors._local_quantum_errors.items()
        for qubits in errors
    }
    assert ours.keys() == theirs
    for (name, qubits), error in ours.items():
        difference = SuperOp(error).data - after(vendors, name, qubits).data
        assert np.abs(difference).max() < 1e-14


def test_as_published_the_vendors_builder_is_asked(brisbane: DeviceSnapshot) -> None:
    whole = after(noise_model(brisbane, (5,)), "sx", (0,))
    assert np.array_equal(after(model(brisbane, (5,), PUBLISHED), "sx", (0,)).data, whole.data)
    assert not PUBLISHED.of_gates
    assert not dataclasses.replace(PUBLISHED, readout=3.0, waiting=0.0).of_gates


@pytest.mark.parametrize("kind", ["readout", "waiting"])
def test_nothing_follows_gates_where_their_kinds_are_left_out(
    brisbane: DeviceSnapshot, kind: str
) -> None:
    assert not model(brisbane, (5, 6), Severity.alone(kind))._local_quantum_errors


def test_decay_alone_is_the_qubits_relaxation(brisbane: DeviceSnapshot) -> None:
    for times in (1.0, 4.0):
        found = after(model(brisbane, (5,), Severity.alone("decay", times)), "sx", (0,))
        qubit = brisbane.qubits[5]
        seconds = next(g.seconds for g in brisbane.gates if g.name == "sx" and g.qubits == (5,))
        assert qubit.t1 and qubit.t2 and seconds
        expected = thermal_relaxation_error(qubit.t1, min(qubit.t2, 2 * qubit.t1), times * seconds)
        assert np.abs(found.data - SuperOp(expected).data).max() < 1e-14


def test_what_is_left_without_decay_depolarises(brisbane: DeviceSnapshot) -> None:
    """The rest alone has the infidelity that decay does not explain, to first order."""
    whole, rest, decay = (
        1 - average_gate_fidelity(after(model(brisbane, (5,), severity), "sx", (0,)))
        for severity in (PUBLISHED, Severity.alone("one_qubit"), Severity.alone("decay"))
    )
    assert whole == pytest.approx(
        next(g.error for g in brisbane.gates if g.name == "sx" and g.qubits == (5,)), rel=1e-6
    )
    assert rest + decay == pytest.approx(whole, rel=1e-3)
    assert rest > 0 and decay > 0


def test_severity_multiplies_up_to_where_nothing_is_left(brisbane: DeviceSnapshot) -> None:
    def infidelity(times: float) -> float:
        severity = Severity.alone("two_qubit", times)
        pairs = (g for g in brisbane.gates if len(g.qubits) == 2)
        pair = next(g.qubits for g in pairs if 0.02 < (g.error or 0.0) < 0.1)
        noise = model(brisbane, pair, severity)
        return 1 - float(average_gate_fidelity(after(noise, "ecr", (0, 1))))

    assert infidelity(3.0) == pytest.approx(3 * infidelity(1.0), rel=1e-6)
    assert infidelity(1e6) == pytest.approx(3 / 4)


def test_read_out_stops_at_one_half(brisbane: DeviceSnapshot) -> None:
    assert misread(brisbane, 1.0) is brisbane
    twice = confusion_matrices(misread(brisbane, 2.0), [6])
    once = confusion_matrices(brisbane, [6])
    assert twice[0, 1, 0] == pytest.approx(2 * once[0, 1, 0])
    assert np.all(confusion_matrices(misread(brisbane, 1e6), [5]) == 0.5)
    assert np.all(confusion_matrices(misread(brisbane, 0.0), [5]) == np.eye(2))


def test_kinds_in_words_and_refused() -> None:
    assert PUBLISHED.words == ""
    assert Severity.without("decay").words == "decay x 0"
    assert Severity.alone("decay", 8.0).words == "decay x 8 alone"
    assert Severity(0, 0, 0, 0, 0).words == "nothing that is published"
    assert Severity.alone("readout", 4.0).readout == 4.0
    assert sum(getattr(Severity.alone("readout", 4.0), kind) for kind in KINDS) == 4.0
    with pytest.raises(ValueError, match="severity waiting is -1"):
        Severity(waiting=-1.0)
