from __future__ import annotations

import json

import pytest
from qiskit.providers import BackendV2
from qiskit_ibm_runtime.fake_provider import FakeFez, FakeNairobiV2

from calibration import DeviceSnapshot, compare, republished


@pytest.mark.parametrize("device", [FakeFez, FakeNairobiV2])
def test_a_devices_own_properties_give_its_own_snapshot(device: type[BackendV2]) -> None:
    snapshot = DeviceSnapshot.from_backend(device())
    told = device().properties().to_dict()
    again = republished(snapshot, json.loads(json.dumps(told, default=lambda d: d.isoformat())))
    assert again == snapshot
    assert again.calibration_digest == snapshot.calibration_digest


def test_new_numbers_are_taken_over(fez: DeviceSnapshot) -> None:
    before = fez.qubits[5]
    assert before.t1 is not None
    told = FakeFez().properties().to_dict()
    for parameter in told["qubits"][5]:
        if parameter["name"] in ("T1", "prob_meas1_prep0", "readout_length"):
            parameter["value"] *= 2
    told["qubits"][7].append({"name": "operational", "unit": "", "value": 0})
    told["gates"] = [gate for gate in told["gates"] if gate["name"] != "cz0_1"]
    later = republished(fez, told)
    assert later.qubits[5].t1 == pytest.approx(2 * before.t1)
    assert later.qubits[5].p01 == pytest.approx(2 * before.p01)
    assert later.qubits[5].p10 == before.p10
    assert later.qubits[5].readout_seconds == pytest.approx(2 * before.readout_seconds)
    assert later.faulty_qubits == (7,)
    drift = compare(fez, later)
    assert drift.unknown == ("cz on 0-1 is known before only",)
    assert [(c.kind, c.qubits) for c in drift.moved] == [("T1", (5,)), ("p01", (5,))]


def test_something_else_is_refused(fez: DeviceSnapshot) -> None:
    with pytest.raises(ValueError, match="not a device's published properties"):
        republished(fez, {"device": "fake_fez", "taken_at": "unknown"})
    with pytest.raises(ValueError, match="7 qubits: fake_fez has 156"):
        republished(fez, FakeNairobiV2().properties().to_dict())
