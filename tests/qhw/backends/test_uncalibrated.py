from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibration import DeviceSnapshot
from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import (
    TranspiledCircuit,
    TranspileOptions,
    refuse_uncalibrated,
    uncalibrated_gates,
)
from qhw.backends.transpile_cache import transpile_for
from qhw.config import BackendConfig, HardwareConfig
from qhw.devices.opening import Requester, open_device
from qhw.errors import BackendUnavailableError
from qhw.known import open_snapshot


@pytest.fixture(scope="module")
def nairobi() -> DeviceSnapshot:
    return open_snapshot("fake_nairobi")


@pytest.fixture(scope="module")
def laid_out(
    nairobi: DeviceSnapshot, tmp_path_factory: pytest.TempPathFactory
) -> TranspiledCircuit:
    folder = tmp_path_factory.mktemp("transpiled")
    return transpile_for(RingCircuit(3, 1), nairobi, TranspileOptions(seeds=1), folder)


def lost(snapshot: DeviceSnapshot) -> DeviceSnapshot:
    """The device after a calibration that failed on all pairs of qubits."""
    gates = (replace(g, error=1.0) if len(g.qubits) == 2 else g for g in snapshot.gates)
    return replace(snapshot, gates=tuple(gates))


def test_a_calibrated_device_is_not_complained_of(
    nairobi: DeviceSnapshot, laid_out: TranspiledCircuit
) -> None:
    assert uncalibrated_gates(nairobi, laid_out) == ""
    refuse_uncalibrated(nairobi, laid_out)


def test_gates_that_always_fail_are_named_and_not_paid_for(
    nairobi: DeviceSnapshot, laid_out: TranspiledCircuit
) -> None:
    told = uncalibrated_gates(lost(nairobi), laid_out)
    assert told.startswith("fake_nairobi publishes an error of 100 % for cx on ")
    assert "more of the circuit's gates" in told
    with pytest.raises(BackendUnavailableError, match="not calibrated") as caught:
        refuse_uncalibrated(lost(nairobi), laid_out)
    assert "qhw devices" in caught.value.hint


def test_the_published_calibration_of_kyoto_has_no_pair_that_works(tmp_path: Path) -> None:
    """Its noise can be simulated, with a note; a job on it is refused before it is written down."""
    circuit = RingCircuit(3, 1)
    assert "not calibrated" in open_backend("aer_noisy", circuit, device="fake_kyoto").warning
    device = BackendConfig(name="fake_kyoto", shots=64, mitigation="none")
    with pytest.raises(BackendUnavailableError, match="fake_kyoto publishes an error of 100 %"):
        open_device(device, HardwareConfig(), circuit, Requester("run", folder=tmp_path))
    assert not (tmp_path / "circuit.qpy").exists()
