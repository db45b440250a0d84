from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calibration import DeviceSnapshot, scale_noise
from qhw.backends.transpilation import TranspileOptions
from qhw.backends.transpile_cache import list_entries, pinned, transpile_for
from qhw.cli.app import app
from qhw.commands.circuit_choice import choose_circuit
from qhw.commands.drift import print_drift
from qhw.errors import ConfigError
from qhw.files import Cache
from qhw.known import open_snapshot
from tests.ibm_cloud.cloud import Cloud

CIRCUIT = {"qubits": 3, "depth": 1}


@pytest.fixture(autouse=True)
def private_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def nairobi() -> DeviceSnapshot:
    return open_snapshot("fake_nairobi")


@pytest.fixture(scope="module")
def fez() -> DeviceSnapshot:
    return open_snapshot("fake_fez")


def moved(snapshot: DeviceSnapshot, factor: float, qubits: set[int]) -> DeviceSnapshot:
    """Two-qubit errors times `factor` where a gate touches one of the qubits."""
    gates = tuple(
        dataclasses.replace(gate, error=min(1.0, (gate.error or 0) * factor))
        if len(gate.qubits) == 2 and qubits & set(gate.qubits)
        else gate
        for gate in snapshot.gates
    )
    return dataclasses.replace(snapshot, gates=gates, taken_at="2026-11-20T08:00:00+00:00")


def compared(
    capsys: pytest.CaptureFixture[str],
    before: DeviceSnapshot,
    after: DeviceSnapshot,
    *,
    everything: bool = False,
) -> tuple[str, str]:
    Path("a.json").write_text(before.to_json())
    Path("b.json").write_text(after.to_json())
    circuit = choose_circuit(None, CIRCUIT)
    verdict = print_drift("a.json", "b.json", circuit, everything=everything)
    output = capsys.readouterr().out
    assert all(len(line) <= 80 for line in output.splitlines())
    return verdict, " ".join(output.split())


def test_nothing_has_moved(capsys: pytest.CaptureFixture[str], nairobi: DeviceSnapshot) -> None:
    verdict, told = compared(capsys, nairobi, nairobi)
    assert verdict == "none"
    assert "The same calibration." in told
    assert "Verdict none" in told
    assert "qhw calibrate" not in told


def test_more_noise_everywhere_asks_for_a_new_fit(
    capsys: pytest.CaptureFixture[str], nairobi: DeviceSnapshot
) -> None:
    verdict, told = compared(capsys, nairobi, scale_noise(nairobi, 1.3).snapshot)
    assert verdict == "refit"
    assert "Verdict refit" in told
    assert "`qhw calibrate --device fake_nairobi --measure` probes" in told
    assert "when one loses 50%" in told


def relaxed(snapshot: DeviceSnapshot, factors: dict[int, float]) -> DeviceSnapshot:
    """T1 of some qubits times a factor."""
    qubits = tuple(
        dataclasses.replace(facts, t1=facts.t1 and facts.t1 * factors.get(number, 1.0))
        for number, facts in enumerate(snapshot.qubits)
    )
    return dataclasses.replace(snapshot, qubits=qubits)


def test_relaxation_beyond_its_threshold_is_told_where_it_asks_for_nothing(
    capsys: pytest.CaptureFixture[str], nairobi: DeviceSnapshot
) -> None:
    first, *_ = choose_circuit(None, CIRCUIT).laid_out(nairobi).active_qubits
    verdict, told = compared(capsys, nairobi, relaxed(nairobi, {first: 0.8}))
    assert verdict == "none"
    assert "Both have the same date." in told
    assert "- T1 moved by 10% or more on 1 of 3 qubits, together they decay" in told
    assert ": a fit is due from 20%" in told
    everywhere = relaxed(nairobi, dict.fromkeys(range(7), 0.8))
    verdict, told = compared(capsys, nairobi, everywhere)
    assert verdict == "refit"
    assert "- T1 of 3 qubits together: decay 25% faster" in told


def test_a_runs_layout_that_the_earlier_snapshot_cannot_carry_is_refused(
    nairobi: DeviceSnapshot, tmp_path: Path
) -> None:
    plain = choose_circuit(None, CIRCUIT)
    layout = tmp_path / "circuit.qpy"
    pairs = pinned(layout, lambda: plain.laid_out(nairobi), nairobi).two_qubit_pairs
    of_run = dataclasses.replace(plain, device="fake_nairobi", layout=layout)
    gone = tuple(g for g in nairobi.gates if tuple(sorted(g.qubits)) not in pairs)
    with pytest.raises(ConfigError, match="own layout cannot be judged: fake_nairobi has no gate"):
        of_run.laid_out(dataclasses.replace(nairobi, gates=gone))


def test_better_qubits_elsewhere_ask_for_another_layout(
    capsys: pytest.CaptureFixture[str], fez: DeviceSnapshot
) -> None:
    taken = choose_circuit(None, CIRCUIT).laid_out(fez)
    verdict, told = compared(capsys, fez, moved(fez, 12.0, set(taken.active_qubits)))
    assert verdict == "relayout"
    assert "on the circuit's qubits," in told
    assert "A new run takes other qubits by itself" in told


def test_what_happens_elsewhere_is_shown_on_demand_and_judges_nothing(
    capsys: pytest.CaptureFixture[str], fez: DeviceSnapshot
) -> None:
    used = set(choose_circuit(None, CIRCUIT).laid_out(fez).active_qubits)
    neighbours = {q for gate in fez.gates if used & set(gate.qubits) for q in gate.qubits}
    later = moved(fez, 3.0, set(range(156)) - neighbours)
    verdict, told = compared(capsys, fez, later)
    assert (verdict, "cz" in told.replace("two-qubit", "")) == ("none", False)
    verdict, told = compared(capsys, fez, later, everything=True)
    assert verdict == "none"
    assert "more beyond their thresholds" in told
    assert told.count("+200%") == 15 + 1  # the rows, and the worst in the counts


def test_a_lost_gate_asks_for_another_layout(
    capsys: pytest.CaptureFixture[str], fez: DeviceSnapshot
) -> None:
    taken = choose_circuit(None, CIRCUIT).laid_out(fez)
    pair = set(taken.active_qubits[:2])
    gates = tuple(gate for gate in fez.gates if not pair <= set(gate.qubits))
    verdict, told = compared(capsys, fez, dataclasses.replace(fez, gates=gates))
    assert verdict == "relayout"
    assert "is gone" in told
    assert "none now, since a gate is gone" in told


def test_looking_at_an_old_snapshot_leaves_the_kept_layout_alone(
    capsys: pytest.CaptureFixture[str], fez: DeviceSnapshot
) -> None:
    circuit, options = choose_circuit(None, CIRCUIT).circuit, TranspileOptions()
    cache = Cache.of_user().transpiled
    now = transpile_for(circuit, fez, options, cache)
    earlier = moved(fez, 12.0, set(now.active_qubits))
    compared(capsys, earlier, fez)
    compared(capsys, fez, earlier)
    (entry,) = list_entries(cache)
    assert (entry.hits, entry.score) == (0, now.score)
    assert transpile_for(circuit, fez, options, cache).from_cache


def test_two_devices_are_said_to_be_two(
    capsys: pytest.CaptureFixture[str], nairobi: DeviceSnapshot
) -> None:
    circuit = choose_circuit(None, CIRCUIT)
    print_drift("fake_nairobi", "fake_lagos", circuit, everything=False)
    assert "are two devices" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(ConfigError, match="7 qubits and fake_manila has 5"):
        print_drift("fake_nairobi", "fake_manila", circuit, everything=False)


def test_a_live_device_against_what_was_kept(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--qubits", "3", "--depth", "1"]
    runner = CliRunner()
    assert runner.invoke(app, ["calibrate", "--device", "ibm_nairobi", *options]).exit_code == 0
    command = ["drift", "ibm_nairobi@latest", "ibm_nairobi", *options]
    same = runner.invoke(app, command)
    assert (same.exit_code, "Verdict none" in same.output) == (0, True)
    small_cloud.recalibrate("ibm_nairobi", 2.0, "2026-11-20T08:00:00+00:00")
    drifted = runner.invoke(app, command)
    assert drifted.exit_code == 4
    assert "Verdict refit" in drifted.output
    assert "--measure --max-qpu-seconds" in " ".join(drifted.output.split())
    assert not small_cloud.jobs
