"""Model against device: jobs of probe circuits in the ledger, and none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qiskit_ibm_runtime.fake_provider import FakeNairobiV2

from qhw.commands.run import DeploymentRequest, deploy
from qhw.config import merge
from qhw.devices.snapshots import SnapshotStore
from qhw.errors import DataError
from qhw.known import open_snapshot
from qhw.runs.directory import RunDirectory
from qhw.runs.settings import deployment_settings
from qhw.studies.finding import Estimate
from qhw.studies.measured import probe_models
from qhw.studies.measured.probe_jobs import INDEX, STUDY, ProbeJob, model_file
from qhw.studies.questions.model_vs_device import BEST_CASE, ModelVsDevice
from qhw.studies.study import Scope
from tests.qhw.studies.conftest import made_up_run

NOTHING = dict.fromkeys(("name", "device", "noise_scale", "shots", "engine", "mitigation"))


def pretend_job(
    scope: Scope, device: str, excess: float, contrast: float = 0.8, shot_error: float = 0.01
) -> None:
    """A job of 32 circuits whose values are off the model by shots, and by `excess` more."""
    rng = np.random.default_rng(4)
    ideal = rng.uniform(-0.9, 0.9, (32, 3))
    model, errors = contrast * ideal, np.full((32, 3), shot_error)
    measured = model + errors * rng.standard_normal((32, 3)) - excess * ideal
    job = ProbeJob("job1", device, "2026-01-02T03:04:05", 32, 4096, "2026-01-02")
    scope.store(STUDY).keep_json(INDEX, [job.__dict__])
    columns = {"measured": measured, "errors": errors, "model": model, "ideal": ideal}
    scope.store(STUDY).keep(model_file("job1"), columns)


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    run = made_up_run(tmp_path, "made-up")
    return Scope((run,), tmp_path / "report", "fake_nairobi")


def test_without_a_device_simulated_noise_is_a_best_case(scope: Scope, own_data: None) -> None:
    with pytest.raises(DataError, match="not looked at yet"):
        ModelVsDevice().analyse(scope)
    ModelVsDevice().acquire(scope)
    finding = ModelVsDevice().analyse(scope)
    assert finding.answer is None
    assert BEST_CASE in (finding.refusal or "")
    assert not finding.figures


def test_a_device_that_is_noisier_than_its_model(scope: Scope) -> None:
    pretend_job(scope, "ibm_fez", excess=0.2)
    answer = ModelVsDevice().analyse(scope).answer or ""
    assert "more than the model says" in answer
    assert "beyond the 0.01 of shot noise" in answer


def test_a_device_that_is_as_its_model_says(scope: Scope) -> None:
    pretend_job(scope, "ibm_fez", excess=0.0)
    answer = ModelVsDevice().analyse(scope).answer or ""
    assert "no difference in size is seen" in answer
    assert "differ by no more than the 0.01 of shot noise" in answer


def test_a_device_that_is_quieter_than_its_model(scope: Scope) -> None:
    pretend_job(scope, "ibm_fez", excess=-0.05)
    assert "less than the model says" in (ModelVsDevice().analyse(scope).answer or "")


def test_shot_noise_is_not_taken_for_the_device(scope: Scope) -> None:
    """Shots make the measured values ten times as far from the ideal as the model is."""
    pretend_job(scope, "ibm_fez", excess=0.0, contrast=0.99, shot_error=0.05)
    finding = ModelVsDevice().analyse(scope)
    assert "more than the model says" not in (finding.answer or "")
    device = finding.tables[0].rows[0][6]
    assert isinstance(device, Estimate) and device.low < 0.02


def test_a_job_is_modelled_with_the_calibration_it_ran_under(own_data: None) -> None:
    """Its record holds the numbers; any kept snapshot of the device gives the structure."""
    entry: Any = SimpleNamespace(device="ibm_nairobi", calibration_digest="abc")
    properties = FakeNairobiV2().properties().to_dict()
    properties["last_update_date"] = "2026-01-02T03:04:05+00:00"
    properties["qubits"][0][0] = {"name": "T1", "unit": "us", "value": 7.0}

    class _Ledger:
        text = json.dumps(properties, default=str)

        def calibration(self, digest: str) -> str:
            assert digest == "abc"
            return self.text

    ledger: Any = _Ledger()
    assert probe_models._snapshot(ledger, entry) is None, "nothing to lay the numbers over"
    kept = replace(open_snapshot("fake_nairobi"), name="ibm_nairobi", taken_at="2026-05-01T00:00")
    SnapshotStore.of_user().keep(kept)
    found = probe_models._snapshot(ledger, entry)
    assert found is not None and found.taken_at == "2026-01-02T03:04:05+00:00"
    assert found.qubits[0].t1 == pytest.approx(7e-6)
    ledger.text = ""
    assert probe_models._snapshot(ledger, entry) is None, "the record tells no calibration"


def test_a_stand_in_checks_the_path_alone(
    tiny: RunDirectory, tmp_path: Path, own_data: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = merge(NOTHING, {"name": "fake_nairobi", "shots": 64, "mitigation": "affine"})
    config = deployment_settings(tiny.path, {**NOTHING, **chosen}, {}, resume=False, fresh=False)
    deploy(tiny.path, config, DeploymentRequest(images=2, fresh=True))
    scope = Scope((tiny,), tmp_path / "report", "fake_nairobi")
    ModelVsDevice().acquire(scope)
    finding = ModelVsDevice().analyse(scope)
    assert "checks the path of the jobs and not a device" in (finding.answer or "")
    [row] = finding.tables[0].rows
    assert row[1] == "fake_nairobi"
    chi2 = row[-1]
    assert not isinstance(chi2, str | float) and chi2 is not None
    assert chi2.value == pytest.approx(1, abs=0.4), "the model is the stand-in's own noise"

    def again(*_: object) -> None:
        raise AssertionError("modelled twice")

    monkeypatch.setattr(probe_models, "_model", again)
    ModelVsDevice().acquire(scope)
