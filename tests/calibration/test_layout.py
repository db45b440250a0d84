from __future__ import annotations

from dataclasses import replace

import pytest

from calibration import (
    DeviceSnapshot,
    GateFacts,
    expected_error,
    quiet_region,
    scale_noise,
    uncalibrated,
)


def two_qubit_gate(snapshot: DeviceSnapshot) -> GateFacts:
    return next(g for g in snapshot.gates if len(g.qubits) == 2)


def test_errors_multiply(fez: DeviceSnapshot) -> None:
    gate = two_qubit_gate(fez)
    assert gate.error is not None
    operation = (gate.name, gate.qubits)
    qubit = gate.qubits[0]
    expected = 1 - (1 - gate.error) ** 2 * (1 - fez.qubits[qubit].readout_error)
    assert expected_error(fez, [operation] * 2, [qubit]) == pytest.approx(expected)
    assert expected_error(fez, [], []) == 0


def test_more_noise_scores_worse(fez: DeviceSnapshot) -> None:
    gate = two_qubit_gate(fez)
    scores = [
        expected_error(scale_noise(fez, s).snapshot, [(gate.name, gate.qubits)], gate.qubits)
        for s in (0.5, 1, 2)
    ]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_a_gate_the_device_lacks_is_refused(fez: DeviceSnapshot) -> None:
    with pytest.raises(ValueError, match="transpile for it first"):
        expected_error(fez, [("ecr", (0, 1))], [])


def test_gates_that_always_fail_are_uncalibrated(fez: DeviceSnapshot) -> None:
    gate = two_qubit_gate(fez)
    broken = replace(fez, gates=tuple(replace(g, error=1.0) if g == gate else g for g in fez.gates))
    used = [(gate.name, gate.qubits), ("sx", gate.qubits[:1])]
    assert uncalibrated(fez, used) == ()
    assert uncalibrated(broken, [*used, *used]) == ((gate.name, gate.qubits),)


def test_a_quiet_region_is_connected_and_small(fez: DeviceSnapshot) -> None:
    region = quiet_region(fez, 8)
    assert len(region) == 8
    edges = {g.qubits for g in fez.gates if len(g.qubits) == 2 and set(g.qubits) <= set(region)}
    reached = {region[0]}
    for _ in region:
        reached |= {q for edge in edges if reached & set(edge) for q in edge}
    assert reached == set(region)


def test_a_region_larger_than_the_device_is_refused(fez: DeviceSnapshot) -> None:
    with pytest.raises(ValueError, match="no 500 connected qubits"):
        quiet_region(fez, 500)
