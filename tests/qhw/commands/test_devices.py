from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from policy import RingCircuit
from qhw.backends import transpile_cache
from qhw.commands.devices import print_devices
from qhw.console.output import Output, speak
from qhw.errors import CredentialsError, HardwareError
from qhw.jobs.ledger import Intent, Ledger
from qhw.jobs.request import Unit
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import TOKEN, Cloud, Fault

CIRCUIT = RingCircuit(3, 1)


@pytest.fixture(autouse=True)
def private_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr().out
    assert all(len(line) <= 80 for line in output.splitlines())
    assert TOKEN not in output
    return " ".join(output.split())


def test_without_an_account(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    print_devices()
    output = told(capsys)
    assert "fake_brisbane" in output
    assert "ibm_brisbane" not in output
    assert "Live devices (ibm_fez," in output
    assert "take ibm_miami with `--mitigation affine` or `readout`" in output
    assert "Credentials are read from QISKIT_IBM_TOKEN" in output


def test_programs_read_the_same(small_cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    speak(Output(as_json=True))
    small_cloud.used_seconds = 112.0
    print_devices(CIRCUIT)
    found = json.loads(capsys.readouterr().out)
    assert "fake_fez" in found["snapshots"]
    (device,) = found["account"]["devices"]
    assert device["device"] == "ibm_nairobi"
    assert 0 < device["expected_error"] < 1
    assert found["account"]["plan"]["seconds_left"] == 488


def test_programs_are_told_that_there_is_no_account(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    speak(Output(as_json=True))
    print_devices()
    assert json.loads(capsys.readouterr().out)["account"] is None


def test_an_accounts_devices_and_what_is_left(
    small_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    small_cloud.devices["ibm_nairobi"].queue = 41
    small_cloud.used_seconds = 112.0
    with Ledger.of_user(SteppedClock(time.time())) as ledger:
        intent = Intent("d" * 32, "ibm_nairobi", "", ((64, 4),), 1024, 24.9)
        entry = ledger.intend(Unit("a", "rollout", 1, 0, 0), intent, None)
        ledger.submitted(entry.id, "d1")
        elsewhere = Intent("d" * 32, "fake_fez", "", ((64, 4),), 1024, 24.9)
        ledger.intend(Unit("a", "rollout", 1, 1, 0), elsewhere, None)
    print_devices(CIRCUIT)
    output = told(capsys)
    assert re.search(r"ibm_nairobi 7 41 2024-05-27 \d\d:\d\d:\d\d 0\.\d{3}", output)
    assert "the circuit of 3 qubits and depth 1" in output
    assert "Plan open, 488 QPU s left." in output
    assert "in the last 28 days: 24.9 QPU s in 1 jobs (1 not billed yet)" in output
    assert output.index("ibm_nairobi") < output.index("fake_fez")


def test_the_layout_is_made_once(
    small_cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_devices(CIRCUIT)
    first = told(capsys)

    def fail(*_: object) -> None:
        raise AssertionError("laid out again")

    monkeypatch.setattr(transpile_cache, "fresh_layout", fail)
    print_devices(CIRCUIT)
    assert told(capsys) == first


def test_a_device_that_does_not_run_says_so(
    small_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    small_cloud.devices["ibm_nairobi"].status = "maintenance"
    print_devices(CIRCUIT)
    assert "ibm_nairobi 7 0 (not running)" in told(capsys)


def test_an_account_that_is_refused_leaves_the_snapshots(
    small_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    small_cloud.tokens.clear()
    with pytest.raises(CredentialsError):
        print_devices(CIRCUIT)
    assert "fake_fez" in told(capsys)


def test_trouble_at_one_device_leaves_what_was_read(
    open_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    open_cloud.devices = dict(sorted(open_cloud.devices.items(), reverse=True))
    open_cloud.devices["ibm_zurich"] = open_cloud.devices.pop("ibm_fez")
    open_cloud.inject(Fault("GET", "/backends/ibm_zurich/properties", times=-1, status=400))
    with pytest.raises(HardwareError, match="ibm_zurich"):
        print_devices(CIRCUIT)
    output = told(capsys)
    assert "ibm_nairobi 7 0" in output
    assert "fake_fez" in output
