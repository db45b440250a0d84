"""The report as a whole: three steps, each alone, resumable, offline where it says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qhw.cli.report import report_app
from qhw.commands import report as reporting
from qhw.commands.report import STEPS, checked_steps, report_noise
from qhw.errors import (
    ConfigError,
    DataError,
    InterruptedWorkError,
    QhwError,
    UnknownNameError,
)
from qhw.runs.directory import RunDirectory
from qhw.studies import catalogue
from qhw.studies.finding import read_finding
from qhw.studies.measured import playing
from qhw.studies.measured.conditions import all_facts
from qhw.studies.questions.cost import Cost
from qhw.studies.sizes import Sizes
from qhw.studies.study import Scope
from tests.qhw.studies.conftest import FEW_LATENTS, made_up_run

DEVICE = "fake_nairobi"
OWN = tuple(entry for entry in catalogue.STUDIES if entry.name in ("noise_scale", "cost"))


@pytest.fixture
def two_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "STUDIES", OWN)
    monkeypatch.setattr(Sizes, "quick", lambda: FEW_LATENTS)


@pytest.mark.usefixtures("two_studies")
class TestSteps:
    @pytest.mark.slow  # every study, once
    def test_all_steps_leave_a_page(self, tiny: RunDirectory, tmp_path: Path, capsys: Any) -> None:
        report_noise([tiny], tmp_path, DEVICE)
        assert (tmp_path / "index.html").stat().st_size > 0
        told = capsys.readouterr().out
        assert "trained noiseless: noiseless" in told
        assert "noise_scale: done in" in told
        assert "This one controller:" in told
        assert read_finding(tmp_path / "analysis" / "noise_scale.json").answer is None

    @pytest.mark.slow  # measures a second run
    def test_what_it_is_compared_with_is_told(
        self, tiny: RunDirectory, tmp_path: Path, capsys: Any
    ) -> None:
        network = made_up_run(tmp_path, "network", actor={"kind": "mlp_matched"})
        facts = {
            **network.read_json("provenance.json"),
            "bundle": tiny.read_json("provenance.json")["bundle"],
        }
        network.write_provenance(facts)
        report_noise([tiny, network], tmp_path / "report", DEVICE, steps=["acquire", "analyse"])
        assert "compared with network (a classical actor, mlp_matched)" in capsys.readouterr().out
        with pytest.raises(DataError, match="analysis of other runs"):
            report_noise([tiny], tmp_path / "report", DEVICE, steps=["render"])

    def test_findings_that_were_half_written_are_not_rendered(
        self, tiny: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report_noise([tiny], tmp_path, DEVICE)

        def stopped(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(reporting, "write_finding", stopped)
        with pytest.raises(InterruptedWorkError):
            report_noise([tiny], tmp_path, DEVICE, steps=["analyse"])
        with pytest.raises(DataError, match="no analysis"):
            report_noise([tiny], tmp_path, DEVICE, steps=["render"])

    def test_nothing_is_measured_twice_and_analysis_opens_nothing(
        self, tiny: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report_noise([tiny], tmp_path, DEVICE, steps=["acquire"])
        assert not (tmp_path / "analysis").exists()
        data = tmp_path / "data" / "conditions"
        before = {path: path.stat().st_mtime_ns for path in data.iterdir()}
        for name in ("Player", "make_backend", "open_backend", "open_bundle"):
            monkeypatch.setattr(playing, name, None)
        report_noise([tiny], tmp_path, DEVICE, steps=["acquire"])
        assert {path: path.stat().st_mtime_ns for path in data.iterdir()} == before
        monkeypatch.setattr("qhw.backends.opening.open_backend", None)
        monkeypatch.setattr("qhw.known.open_snapshot", None)
        monkeypatch.setattr("qhw.commands.report.open_snapshot", None)
        monkeypatch.setattr("diffusion.bundle.load_bundle", None)
        report_noise([tiny], tmp_path, DEVICE, steps=["analyse"])
        first = (tmp_path / "analysis" / "noise_scale.json").read_bytes()
        report_noise([tiny], tmp_path, DEVICE, steps=["analyse"])
        assert (tmp_path / "analysis" / "noise_scale.json").read_bytes() == first

    def test_a_stop_keeps_what_was_measured(
        self, tiny: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, left = playing._play, [2]

        def stopping(*arguments: Any) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            original(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(playing, "_play", stopping)
            with pytest.raises(InterruptedWorkError, match="kept") as raised:
                report_noise([tiny], tmp_path, DEVICE, steps=["acquire"])
        assert raised.value.exit_code == 130
        scope = Scope((tiny,), tmp_path, DEVICE)
        assert sum("setting" in each for each in all_facts(scope)) == 2
        report_noise([tiny], tmp_path, DEVICE, steps=["acquire"])
        assert sum("setting" in each for each in all_facts(scope)) == 6

    def test_findings_of_another_device_are_not_rendered(
        self, tiny: RunDirectory, tmp_path: Path
    ) -> None:
        report_noise([tiny], tmp_path, DEVICE, steps=["acquire", "analyse"])
        for changes, what in (
            ({"device": "fake_lagos"}, "of other devices"),
            ({"device": DEVICE, "full": True}, "of other lengths"),
        ):
            with pytest.raises(DataError, match=what):
                report_noise([tiny], tmp_path, **changes, steps=["render"])
        report_noise([tiny], tmp_path, DEVICE, steps=["render"])
        assert (tmp_path / "index.html").exists()

    @pytest.mark.slow  # a report and a half
    def test_an_analysis_that_fails_half_way_leaves_the_last_one(
        self, tiny: RunDirectory, tmp_path: Path
    ) -> None:
        report_noise([tiny], tmp_path, DEVICE, steps=["acquire", "analyse"])
        before = {path: path.read_bytes() for path in (tmp_path / "analysis").iterdir()}
        report_noise([tiny], tmp_path, "fake_lagos", steps=["acquire"])
        (tmp_path / "data" / "cost" / "provenance.json").unlink()
        with pytest.raises(DataError, match="not written down"):
            report_noise([tiny], tmp_path, "fake_lagos", steps=["analyse"])
        assert {path: path.read_bytes() for path in (tmp_path / "analysis").iterdir()} == before

    def test_a_step_without_the_one_before(self, tiny: RunDirectory, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="was not looked at yet"):
            report_noise([tiny], tmp_path, DEVICE, steps=["analyse"])
        with pytest.raises(DataError, match="holds no analysis") as raised:
            report_noise([tiny], tmp_path, DEVICE, steps=["render"])
        assert "--step analyse" in raised.value.hint

    def test_a_device_that_is_too_small(self, tiny: RunDirectory, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"3 qubits .* fake_armonk, which has 1"):
            report_noise([tiny], tmp_path, "fake_armonk")
        assert not (tmp_path / "data").exists()


def test_an_unknown_device_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    with pytest.raises(UnknownNameError, match="fake_brisban"):
        report_noise([run], tmp_path / "report", "fake_brisban")
    assert not (tmp_path / "report").exists()


def test_a_circuit_that_is_too_large(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run", actor={"circuit": {"qubits": 9}})
    with pytest.raises(ConfigError, match="9 qubits"):
        report_noise([run], tmp_path / "report", DEVICE)


def test_a_circuit_that_takes_long_is_told(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(reporting, "STUDIES", ())
    monkeypatch.setattr(reporting, "_perform", lambda *_: None)
    run = made_up_run(tmp_path, "run", actor={"circuit": {"qubits": 6}})
    report_noise([run], tmp_path / "report", DEVICE)
    assert "6 qubits: its noise takes about 14 times as long" in capsys.readouterr().out


def test_an_unfinished_training_is_told(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(reporting, "STUDIES", ())
    run = made_up_run(tmp_path, "run", ppo={"updates": 5})
    report_noise([run], tmp_path / "report", DEVICE, steps=["acquire"])
    assert "stands at update 1 of 5" in capsys.readouterr().out


def test_steps_by_name() -> None:
    assert checked_steps(None) == STEPS
    assert checked_steps("analyse") == ("analyse",)
    with pytest.raises(UnknownNameError, match="analyze"):
        checked_steps("analyze")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(reporting, "report_noise", lambda *a, **k: asked.append((a, k)))
    runs = [made_up_run(tmp_path, name) for name in ("one", "two")]
    typed = ["noise", *(str(run.path) for run in runs), "--device", DEVICE, "--step", "render"]
    result = CliRunner().invoke(report_app, typed)
    assert result.exit_code == 0, result.output
    [(positional, named)] = asked
    assert [run.name for run in positional[0]] == ["one", "two"]
    assert positional[1:] == (runs[0].path / "report", DEVICE)
    assert named == {"full": False, "steps": ("render",)}
    missing = CliRunner().invoke(report_app, ["noise", str(tmp_path / "three")])
    assert isinstance(missing.exception, QhwError)


def test_every_study_goes_by_its_own_name() -> None:
    for entry in catalogue.STUDIES:
        assert entry.load().name == entry.name


def test_the_bill_adds_up(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    bill = {"phase": "images", "jobs": 3, "circuits": 9, "shots": 900, "billed_seconds": 8.0}
    for device in ("fake_fez", "ibm_fez"):
        folder = run.path / "samples" / device
        folder.mkdir(parents=True)
        told = {"phases": [bill], "dollars per second": 2.0}
        (folder / "cost.json").write_text(json.dumps(told))
    scope = Scope((run,), tmp_path / "report", DEVICE)
    with pytest.raises(DataError, match="not written down yet"):
        Cost().analyse(scope)
    Cost().acquire(scope)
    finding = Cost().analyse(scope)
    assert finding.answer is not None
    assert "The runs took 42 circuits and 1,800 shots" in finding.answer
    assert "for this report took 0 circuits with exact values" in finding.answer
    assert "8.0 s of a QPU, $16.00" in finding.answer, "at the price that was told"
    assert "would have billed 8.0 s" in finding.answer
    assert finding.provenance["qhw"]
    [row] = next(table for table in finding.tables if table.id == "runs").rows
    assert row[1] == run.id


def test_a_device_run_without_a_bill_counts_as_metered(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run", backend={"name": "ibm_fez"}, hardware={"price": 2.0})
    cost = {"circuits": 5, "shots": 50, "seconds": 900.0, "jobs": 2, "qpu_seconds": 4.0}
    run.append_metrics({"update": 2, "cost": {"rollout": cost}})
    scope = Scope((run,), tmp_path / "report", DEVICE)
    Cost().acquire(scope)
    finding = Cost().analyse(scope)
    assert finding.answer is not None and "4.0 s of a QPU, $8.00" in finding.answer
    rows = {row[1]: row for row in finding.tables[1].rows}
    assert rows["training, rollout"][2:] == (5.0, 50.0, 2.0, 4.0, 8.0, 0.0)


def test_the_device_is_the_one_that_was_trained_on(tmp_path: Path) -> None:
    backends = {
        "fake_nairobi": {"name": "aer_noisy", "device": "fake_nairobi"},
        "fake_fez": {"name": "ibm_fez"},
        "fake_lagos": {"name": "fake_lagos"},
        reporting.DEFAULT_DEVICE: {"name": "aer"},
    }
    for device, backend in backends.items():
        assert reporting.trained_on(made_up_run(tmp_path, device, backend=backend)) == device
