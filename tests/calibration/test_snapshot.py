from __future__ import annotations

import dataclasses

import pytest
from qiskit_ibm_runtime.fake_provider import FakeBoston, FakeBrisbane

from calibration import DeviceSnapshot


def test_a_snapshot_knows_what_the_device_publishes(brisbane: DeviceSnapshot) -> None:
    device = FakeBrisbane()
    assert brisbane.num_qubits == 127
    assert brisbane.two_qubit_gates == ("ecr",)
    facts, properties = brisbane.qubits[17], device.properties()
    assert facts.t1 == pytest.approx(properties.t1(17))
    assert facts.p01 == properties.qubit_property(17)["prob_meas1_prep0"][0]
    assert facts.p10 == properties.qubit_property(17)["prob_meas0_prep1"][0]
    assert facts.readout_error == pytest.approx(device.target["measure"][(17,)].error)
    gate = next(g for g in brisbane.gates if g.name == "ecr")
    assert gate.error == device.target["ecr"][gate.qubits].error


def test_read_out_is_not_symmetric(brisbane: DeviceSnapshot) -> None:
    assert any(abs(qubit.p01 - qubit.p10) > 0.005 for qubit in brisbane.qubits)


def test_json_gives_back_an_equal_snapshot(fez: DeviceSnapshot) -> None:
    assert DeviceSnapshot.from_json(fez.to_json()) == fez


def test_something_else_is_not_a_snapshot() -> None:
    with pytest.raises(ValueError, match="not a device snapshot"):
        DeviceSnapshot.from_json('{"name": "x"}')


def test_digests_tell_calibration_from_structure(fez: DeviceSnapshot) -> None:
    moved = dataclasses.replace(fez.gates[3], error=0.123)
    gates = (*fez.gates[:3], moved, *fez.gates[4:])
    later = dataclasses.replace(fez, gates=gates)
    assert later.structure_digest == fez.structure_digest
    assert later.calibration_digest != fez.calibration_digest
    broken = dataclasses.replace(fez, faulty_qubits=(5,))
    assert broken.structure_digest != fez.structure_digest


def test_a_part_of_the_target_is_renumbered(brisbane: DeviceSnapshot) -> None:
    gate = next(g for g in brisbane.gates if g.name == "ecr")
    part = brisbane.target(gate.qubits)
    assert part.num_qubits == 2
    assert part["ecr"][(0, 1)].error == gate.error
    assert part["measure"][(1,)].error == brisbane.qubits[gate.qubits[1]].readout_error


def test_other_measurements_and_resets_are_no_gates() -> None:
    """Heron devices offer `measure_2` and `reset_2`, which have no place in a target of gates."""
    device = FakeBoston()
    assert {"measure_2", "reset_2"} <= set(device.target.operation_names)
    snapshot = DeviceSnapshot.from_backend(device)
    assert {gate.name for gate in snapshot.gates} == {"cz", "rz", "sx", "x"}
    assert set(snapshot.target().operation_names) == {"cz", "rz", "sx", "x", "measure"}
