from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest

from calibration import DeviceSnapshot
from qhw.devices.snapshots import SnapshotStore, find_snapshot
from qhw.errors import BackendUnavailableError, ConfigError, DataError, UnknownNameError
from qhw.known import open_snapshot
from tests.ibm_cloud.cloud import Cloud


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "data" / "snapshots")


@pytest.fixture(scope="module")
def nairobi() -> DeviceSnapshot:
    return open_snapshot("fake_nairobi")


def dated(snapshot: DeviceSnapshot, date: str) -> DeviceSnapshot:
    return dataclasses.replace(snapshot, taken_at=date)


def test_equal_snapshots_are_kept_once(store: SnapshotStore, nairobi: DeviceSnapshot) -> None:
    first = store.keep(nairobi)
    assert store.keep(dataclasses.replace(nairobi)) == first
    assert store.of("fake_nairobi") == [first]
    assert first.digest == nairobi.calibration_digest
    assert first.name == "fake_nairobi@2024-05-27T18-45-40"  # in UTC
    assert find_snapshot(first.name, store) == nairobi
    for folder in (store.folder, store.folder / "fake_nairobi"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_newest_comes_last_whatever_the_time_zone(
    store: SnapshotStore, nairobi: DeviceSnapshot
) -> None:
    dates = ["2026-11-20T08:00:00+09:00", "2026-11-20T01:00:00+00:00", "unknown"]
    for date in reversed(dates):
        store.keep(dated(nairobi, date))
    kept = [each.date for each in store.of("fake_nairobi")]
    assert kept == ["unknown", "2026-11-19T23-00-00", "2026-11-20T01-00-00"]
    assert find_snapshot("fake_nairobi@latest", store).taken_at == dates[1]


@pytest.mark.parametrize("typed", ["2026-11-19", "2026-11-19T23:00", "2026-11-19 23"])
def test_the_beginning_of_a_date_is_enough(
    typed: str, store: SnapshotStore, nairobi: DeviceSnapshot
) -> None:
    for date in ("2026-11-19T23:00:00+00:00", "2026-11-20T01:00:00+00:00"):
        store.keep(dated(nairobi, date))
    assert find_snapshot(f"fake_nairobi@{typed}", store).taken_at == "2026-11-19T23:00:00+00:00"


def test_a_date_that_fits_none_or_two_names_them(
    store: SnapshotStore, nairobi: DeviceSnapshot
) -> None:
    for date in ("2026-11-19T23:00:00+00:00", "2026-11-20T01:00:00+00:00"):
        store.keep(dated(nairobi, date))
    with pytest.raises(UnknownNameError, match="2 begin with 'fake_nairobi@2026'") as raised:
        find_snapshot("fake_nairobi@2026", store)
    assert "fake_nairobi@2026-11-19T23-00-00" in raised.value.hint
    with pytest.raises(UnknownNameError, match="None begins"):
        find_snapshot("fake_nairobi@", store)
    with pytest.raises(UnknownNameError, match="only of: fake_nairobi") as raised:
        find_snapshot("ibm_fez@2026", store)
    assert "qhw calibrate --device ibm_fez" in raised.value.hint


def test_two_of_one_date_are_told_apart_by_their_digests(
    store: SnapshotStore, nairobi: DeviceSnapshot
) -> None:
    other = dataclasses.replace(nairobi, faulty_qubits=(6,))
    for each in (nairobi, other):
        store.keep(each)
    with pytest.raises(UnknownNameError, match="2 begin with") as raised:
        find_snapshot("fake_nairobi@2024", store)
    for each in (nairobi, other):
        name = f"fake_nairobi@2024-05-27T18-45-40-{each.calibration_digest}"
        assert name in raised.value.hint
        assert find_snapshot(name, store) == each


def test_files_and_devices_are_found(
    store: SnapshotStore, nairobi: DeviceSnapshot, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text(nairobi.to_json())
    assert find_snapshot(str(tmp_path / "mine.json"), store) == nairobi
    assert find_snapshot("fake_nairobi", store) == nairobi


def test_a_live_device_is_read_as_it_is_now(
    small_cloud: Cloud, store: SnapshotStore, nairobi: DeviceSnapshot
) -> None:
    small_cloud.recalibrate("ibm_nairobi", 2.0, "2026-11-20T08:00:00+00:00")
    live = find_snapshot("ibm_nairobi", store)
    assert live.taken_at.startswith("2026-11-20")
    assert live.qubits[0].p01 == pytest.approx(2 * nairobi.qubits[0].p01)


def test_what_is_no_snapshot_is_explained(
    store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(DataError, match=r"other\.json cannot be read"):
        find_snapshot(str(tmp_path / "other.json"), store)
    with pytest.raises(UnknownNameError, match=r"no file 'nothing\.json'"):
        find_snapshot("nothing.json", store)
    with pytest.raises(UnknownNameError, match="There is no file"):
        find_snapshot(str(tmp_path), store)
    with pytest.raises(UnknownNameError, match="fake_fz") as raised:
        find_snapshot("fake_fz", store)
    assert "fake_fez" in raised.value.hint
    with pytest.raises(ConfigError, match="is a simulator"):
        find_snapshot("aer_noisy", store)
    with pytest.raises(BackendUnavailableError, match="needs an account"):
        find_snapshot("ibm_fez", store)
