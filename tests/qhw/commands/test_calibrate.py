from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from calibration import DeviceSnapshot
from qhw.cli.app import app
from qhw.commands.calibrate import Measuring, calibrate, print_kept
from qhw.commands.circuit_choice import choose_circuit
from qhw.config import HardwareConfig
from qhw.devices.snapshots import SnapshotStore
from qhw.errors import BudgetReachedError, ConfigError
from qhw.files import UserData
from qhw.jobs.ledger import Ledger
from tests.ibm_cloud.cloud import TOKEN, Cloud

CIRCUIT = {"qubits": 3, "depth": 1}


@pytest.fixture(autouse=True)
def private_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def take(device: str, **limits: Any) -> None:
    calibrate(device, choose_circuit(None, CIRCUIT), Path("maps"), measuring(**limits))


def measuring(**limits: Any) -> Measuring | None:
    return Measuring(HardwareConfig(**limits), "qhw calibrate x --measure") if limits else None


def told(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr().out
    assert TOKEN not in output
    lines = output.splitlines()
    # Paths and names are never broken, so that they can be copied.
    assert all(len(line) <= 80 for line in lines if "/" not in line and "local-" not in line)
    return " ".join(output.split())


def measurement() -> dict[str, Any]:
    (path,) = UserData.of_user().measurements.glob("*/*/*/measured.json")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_snapshot_is_kept_drawn_and_laid_out(capsys: pytest.CaptureFixture[str]) -> None:
    take("fake_nairobi")
    output = told(capsys)
    (kept,) = SnapshotStore.of_user().of("fake_nairobi")
    assert DeviceSnapshot.from_json(kept.path.read_text()).name == "fake_nairobi"
    assert "7 qubits, cx, calibrated 2024-05-27 18:45:40 UTC" in output
    assert f"{kept.name} is kept" in output
    assert "expected error" in output and " * " in output
    for ending in ("png", "svg"):
        assert Path(f"maps/fake_nairobi-2024-05-27.{ending}").stat().st_size > 0
    take("fake_nairobi")
    assert "is kept already" in told(capsys)
    assert len(SnapshotStore.of_user().of("fake_nairobi")) == 1


def test_programs_read_the_layouts(tmp_path: Path) -> None:
    command = ["calibrate", "--device", "fake_nairobi", "--qubits", "3", "--json"]
    found = json.loads(CliRunner().invoke(app, command).stdout)
    assert found["device"] == "fake_nairobi"
    assert found["kept"].startswith("fake_nairobi@2024-05-27")
    assert [layout["taken"] for layout in found["layouts"]].count(True) == 1
    assert all(Path(file).is_file() for file in found["files"])
    listed = json.loads(CliRunner().invoke(app, ["calibrate", "--list", "--json"]).stdout)
    assert [kept["name"] for kept in listed] == [found["kept"]]


def test_a_device_too_small_for_the_circuit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="3 qubits does not fit on fake_armonk, which has 1"):
        take("fake_armonk")
    assert "fake_armonk: 1 qubit, no two-qubit gate" in told(capsys)


def test_a_new_calibration_is_kept_beside_the_old_one(
    small_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    take("ibm_nairobi")
    capsys.readouterr()
    small_cloud.recalibrate("ibm_nairobi", 1.1, "2026-11-20T08:00:00+00:00")
    take("ibm_nairobi")
    output = told(capsys)
    assert "1 more of this device" in output
    first, second = (each.name for each in SnapshotStore.of_user().of("ibm_nairobi"))
    assert f"qhw drift {first} {second}" in output
    assert not small_cloud.jobs
    print_kept(None)
    listed = told(capsys)
    assert listed.index(first) < listed.index(second)


def test_nothing_kept_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    print_kept("ibm_fez")
    assert "No snapshot of ibm_fez is kept. `qhw calibrate" in told(capsys)


def test_a_measurement_is_printed_with_its_errors_and_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    take("fake_nairobi", max_jobs=2)
    output = told(capsys)
    assert "at most 67 QPU s, $106" in output
    assert "Read-out errors, 2 circuits x 4096 shots" in output
    assert "differ from the published ones by more than 3 standard errors" in output
    assert "Fitted now." in output
    assert output.count("+-") >= 3 * 4
    found = measurement()
    snapshot = DeviceSnapshot.from_json(
        SnapshotStore.of_user().of("fake_nairobi")[0].path.read_text()
    )
    for qubit, p01, p10 in zip(
        found["qubits"], found["readout"]["p01"], found["readout"]["p10"], strict=True
    ):
        assert p01 == pytest.approx(snapshot.qubits[qubit].p01, abs=0.02)
        assert p10 == pytest.approx(snapshot.qubits[qubit].p10, abs=0.02)
    (kept,) = UserData.of_user().affine_maps.glob("fake_nairobi-*.json")
    assert json.loads(kept.read_text())["slope"] == found["affine"]["slope"]
    assert stat.S_IMODE(UserData.of_user().measurements.stat().st_mode) == 0o700


def test_the_map_is_not_measured_twice_under_one_calibration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    take("fake_nairobi", max_jobs=2)
    capsys.readouterr()
    take("fake_nairobi", max_jobs=1)  # the read-out alone
    assert "Kept from before: the calibration is the same." in told(capsys)


def test_a_limit_stops_it_and_a_higher_one_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BudgetReachedError, match="max-jobs 1") as raised:
        take("fake_nairobi", max_jobs=1)
    assert "qhw calibrate x --measure --max-jobs 2" in raised.value.hint
    capsys.readouterr()
    take("fake_nairobi", max_jobs=2)
    assert "Going on with the measurement" in told(capsys)
    with Ledger.of_user() as ledger:
        assert [entry.circuits for entry in ledger.entries()] == [2, 32]


def test_a_device_that_costs_money_needs_a_limit(small_cloud: Cloud) -> None:
    with pytest.raises(ConfigError, match="no limit was given") as raised:
        calibrate(
            "ibm_nairobi",
            choose_circuit(None, CIRCUIT),
            Path("maps"),
            Measuring(HardwareConfig(), "x"),
        )
    # 2 + 8 + 32 circuits x 4096 shots x 0.35 ms, and 2 s for each of three jobs.
    assert "--max-qpu-seconds 67" in raised.value.hint
    assert "qhw plan" not in raised.value.hint
    assert not small_cloud.counts


def test_a_device_is_measured_within_its_limit(
    small_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    take("ibm_nairobi", max_qpu_seconds=60.0)
    assert small_cloud.executed == (2 + 32, (2 + 32) * 4096)
    assert "QPU time" in told(capsys)
    small_cloud.recalibrate("ibm_nairobi", 1.02, "2026-11-20T08:00:00+00:00")
    take("ibm_nairobi", max_qpu_seconds=60.0)
    assert "An earlier map was probed: still fits" in told(capsys)
    assert small_cloud.executed[0] == 2 + 32 + 2 + 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "Calibrate which device"),
        ("--device fake_fez --max-jobs 3", "--max-jobs limits what is measured"),
        ("--device fake_fez --measure --max-cost 0", "must be above 0"),
        ("--device aer", "is a simulator"),
        ("--device aer_noisy --measure", "is a simulator"),
        ("--device fake_fez --qubits 2", "needs 2 x qubits >= 6"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: str, message: str) -> None:
    result = CliRunner().invoke(app, ["calibrate", *options.split()])
    assert isinstance(result.exception, ConfigError)
    assert message in result.exception.message
