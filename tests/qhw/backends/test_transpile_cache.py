from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from calibration import DeviceSnapshot
from policy import RingCircuit
from qhw.backends import transpile_cache
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions, fresh_layout
from qhw.backends.transpile_cache import kept_layout, list_entries, pinned, transpile_for
from qhw.errors import CacheError, ConfigError, DamagedFileError
from qhw.known import open_snapshot

QUICK = TranspileOptions(seeds=2)
CIRCUIT = RingCircuit(3, 1)


@pytest.fixture(scope="module")
def fez() -> DeviceSnapshot:
    return open_snapshot("fake_fez")


def recalibrated(snapshot: DeviceSnapshot, qubits: set[int], factor: float) -> DeviceSnapshot:
    """The same device on a worse day for the gates on some qubits."""
    gates = tuple(
        dataclasses.replace(gate, error=min((gate.error or 0) * factor, 0.5))
        if qubits & set(gate.qubits)
        else gate
        for gate in snapshot.gates
    )
    return dataclasses.replace(snapshot, gates=gates)


def test_the_best_seed_is_kept(fez: DeviceSnapshot, tmp_path: Path) -> None:
    one = transpile_for(CIRCUIT, fez, TranspileOptions(seeds=1), tmp_path)
    six = transpile_for(CIRCUIT, fez, TranspileOptions(seeds=6), tmp_path)
    assert six.score <= one.score
    assert len(list_entries(tmp_path)) == 2  # the options are part of the key


def test_a_circuit_wider_than_the_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8 qubits does not fit on fake_nairobi, which has 7"):
        transpile_for(RingCircuit(8, 1), open_snapshot("fake_nairobi"), QUICK, tmp_path)
    assert not list_entries(tmp_path)


def test_hits_and_misses_are_told(fez: DeviceSnapshot, tmp_path: Path) -> None:
    for _ in range(3):
        transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    (entry,) = list_entries(tmp_path)
    assert entry.hits == 2
    assert entry.miss_reason == "not in the cache yet"
    assert entry.device == "fake_fez"


def test_a_mild_recalibration_keeps_the_layout(fez: DeviceSnapshot, tmp_path: Path) -> None:
    first = transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    later = recalibrated(fez, set(first.active_qubits), 1.05)
    found = transpile_for(CIRCUIT, later, QUICK, tmp_path)
    assert found.from_cache
    assert found.output_qubits == first.output_qubits
    assert found.score > first.score


def test_a_bad_day_lays_the_circuit_out_anew(fez: DeviceSnapshot, tmp_path: Path) -> None:
    first = transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    later = recalibrated(fez, set(first.active_qubits), 30.0)
    found = transpile_for(CIRCUIT, later, QUICK, tmp_path)
    assert not found.from_cache
    assert "a fresh one" in found.miss_reason
    assert not set(found.active_qubits) <= set(first.active_qubits)
    assert list_entries(tmp_path)[0].miss_reason == found.miss_reason


@pytest.mark.parametrize("suffix", [".qpy", ".json"])
def test_damage_is_set_aside_and_mended(fez: DeviceSnapshot, tmp_path: Path, suffix: str) -> None:
    transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    (path,) = (tmp_path / "fake_fez").glob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:40])
    list_entries(tmp_path)
    mended = transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    assert "the entry was damaged" in mended.miss_reason
    assert transpile_for(CIRCUIT, fez, QUICK, tmp_path).from_cache
    assert len(list((tmp_path / "fake_fez").glob("*.damaged-*"))) == 1


def test_a_lock_held_too_long_is_reported(
    fez: DeviceSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    (entry,) = (tmp_path / "fake_fez").glob("*.qpy")
    monkeypatch.setattr(transpile_cache, "LOCK_SECONDS", 0.1)
    with FileLock(entry.with_suffix(".lock")), pytest.raises(CacheError, match="Another process"):
        transpile_for(CIRCUIT, fez, QUICK, tmp_path)


FILL = """
import sys
from pathlib import Path
from policy import RingCircuit
from qhw.backends.opening import open_snapshot
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import transpile_for

fez = open_snapshot("fake_fez")
found = transpile_for(RingCircuit(3, 1), fez, TranspileOptions(seeds=2), Path(sys.argv[1]))
print(found.miss_reason)
"""


def test_two_processes_make_one_entry(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL, str(tmp_path)]
    fillers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    reasons = [filler.communicate(timeout=120)[0].strip() for filler in fillers]
    assert sorted(reasons) == ["", "not in the cache yet"]
    names = [path.suffix for path in (tmp_path / "fake_fez").iterdir()]
    assert sorted(set(names) - {".lock"}) == [".json", ".qpy"]
    assert len(names) <= 3


def test_eight_qubits_stay_on_eight(fez: DeviceSnapshot, tmp_path: Path) -> None:
    found = transpile_for(RingCircuit(8, 1), fez, QUICK, tmp_path)
    assert len(found.active_qubits) == 8


def key(
    circuit: RingCircuit = CIRCUIT,
    snapshot: DeviceSnapshot | None = None,
    options: TranspileOptions = QUICK,
) -> str:
    return transpile_cache._key(circuit, snapshot or open_snapshot("fake_nairobi"), options)


@pytest.mark.parametrize(
    "circuit",
    [
        RingCircuit(4, 1),
        RingCircuit(3, 2),
        RingCircuit(3, 1, "linear"),
        RingCircuit(3, 1, "dense", "line"),
    ],
    ids=str,
)
def test_another_circuit_is_another_entry(circuit: RingCircuit) -> None:
    assert key(circuit) != key()
    assert key(RingCircuit(3, 1)) == key(), "and an equal one is the same"


@pytest.mark.parametrize(
    "changed", [{"seeds": 3}, {"optimization_level": 1}, {"relayout_factor": 2.0}]
)
def test_other_options_are_another_entry(changed: dict[str, Any]) -> None:
    assert key(options=dataclasses.replace(QUICK, **changed)) != key()


def test_another_build_is_another_entry_and_another_day_is_not() -> None:
    nairobi = open_snapshot("fake_nairobi")
    worse = recalibrated(nairobi, set(range(7)), 3.0)
    later = dataclasses.replace(worse, taken_at="2030-01-01T00:00:00+00:00")
    assert later.calibration_digest != nairobi.calibration_digest
    assert key(snapshot=later) == key()
    fewer = dataclasses.replace(nairobi, gates=nairobi.gates[:-1])
    renamed = dataclasses.replace(nairobi, name="ibm_nairobi")
    assert len({key(), key(snapshot=fewer), key(snapshot=renamed)}) == 3


def test_another_version_of_the_transpiler_is_another_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = key()
    monkeypatch.setattr("qiskit.__version__", "0.0")
    assert key() != before


def test_a_kept_layout_stays_whatever_else_would_do_better(
    fez: DeviceSnapshot, tmp_path: Path
) -> None:
    first = transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    later = recalibrated(fez, set(first.active_qubits), 30.0)
    found = kept_layout(CIRCUIT, later, QUICK, tmp_path)
    assert found.output_qubits == first.output_qubits
    assert found.score > 1.2 * first.score, "scored under the later calibration"
    (entry,) = list_entries(tmp_path)
    assert entry.score == first.score, "and nothing was written"


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"null", b"\xff\xfe\x00", b'{"sha256": 1}', "facts missing"]
)
def test_facts_that_cannot_be_read_are_a_miss(
    fez: DeviceSnapshot, tmp_path: Path, damage: bytes | str
) -> None:
    transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    (path,) = (tmp_path / "fake_fez").glob("*.json")
    digest = json.loads(path.read_text())["sha256"]
    path.write_bytes(damage if isinstance(damage, bytes) else f'{{"sha256": "{digest}"}}'.encode())
    (entry,) = list_entries(tmp_path)
    assert entry.miss_reason == "damaged"
    assert "the entry was damaged" in transpile_for(CIRCUIT, fez, QUICK, tmp_path).miss_reason
    assert transpile_for(CIRCUIT, fez, QUICK, tmp_path).from_cache


def test_a_cache_below_a_file_is_told_with_its_folder(fez: DeviceSnapshot, tmp_path: Path) -> None:
    (tmp_path / "fake_fez").touch()
    with pytest.raises(CacheError, match=r"fake_fez cannot be used: .*exists") as caught:
        transpile_for(CIRCUIT, fez, QUICK, tmp_path)
    assert "qhw doctor" in caught.value.hint


@pytest.mark.parametrize("damage", [b"", b"abc", b"QISKIT"])
def test_a_pinned_circuit_that_cannot_be_read_is_not_made_anew(
    fez: DeviceSnapshot, tmp_path: Path, damage: bytes
) -> None:
    path = tmp_path / "circuit.qpy"
    path.write_bytes(damage)
    with pytest.raises(DamagedFileError, match=r"circuit\.qpy cannot be read") as caught:
        pinned(path, lambda: fresh_layout(CIRCUIT, fez, QUICK), fez)
    assert "--from" in caught.value.hint


def test_a_pinned_circuit_is_made_once_and_scored_anew(fez: DeviceSnapshot, tmp_path: Path) -> None:
    first = pinned(tmp_path / "run" / "circuit.qpy", lambda: fresh_layout(CIRCUIT, fez, QUICK), fez)

    def never() -> TranspiledCircuit:
        raise AssertionError("made again")

    later = recalibrated(fez, set(first.active_qubits), 2.0)
    again = pinned(tmp_path / "run" / "circuit.qpy", never, later)
    assert again.output_qubits == first.output_qubits and again.from_cache
    assert again.score > first.score
