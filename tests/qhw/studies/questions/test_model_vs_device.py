"""Measured probe circuits beside the noise model, on made-up jobs with a known answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from qhw.errors import DataError
from qhw.studies.finding import Estimate
from qhw.studies.measured.probe_jobs import INDEX, STUDY, model_file
from qhw.studies.questions.model_vs_device import ModelVsDevice
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import assert_mean, column, mean_of, value_of
from tests.qhw.studies.conftest import made_up_run

Arrays = dict[str, NDArray[np.float64]]


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    return Scope((made_up_run(tmp_path, "made-up"),), tmp_path / "report", "fake_nairobi")


def job(scope: Scope, name: str, device: str, excess: float, seed: int = 4) -> Arrays:
    """A job of 32 circuits; its values are off the model by shots and by `excess` of the ideal."""
    rng = np.random.default_rng(seed)
    ideal = rng.uniform(-0.9, 0.9, (32, 3))
    errors = rng.uniform(0.01, 0.02, (32, 3))
    model = 0.8 * ideal
    measured = model + errors * rng.standard_normal((32, 3)) - excess * ideal
    arrays = {"measured": measured, "errors": errors, "model": model, "ideal": ideal}
    scope.store(STUDY).keep(model_file(name), arrays)
    return arrays


def index(scope: Scope, *jobs: tuple[str, str, str]) -> None:
    """The index of jobs: name, device, date of the model's calibration."""
    facts = {"finished": "2026-01-02T03:04:05", "circuits": 32, "shots": 4096}
    entries = [{"job": j, "device": d, "calibrated": c, **facts} for j, d, c in jobs]
    scope.store(STUDY).keep_json(INDEX, entries)


def test_errors_are_roots_of_squares_without_the_shots_part(scope: Scope) -> None:
    arrays = job(scope, "j1", "ibm_fez", 0.2)
    index(scope, ("j1", "ibm_fez", "2026-01-02"))
    finding = ModelVsDevice().analyse(scope)
    [table] = finding.tables
    measured, errors, model, ideal = (
        arrays[name] for name in ("measured", "errors", "model", "ideal")
    )
    for other, reference, heading in (
        (measured, ideal, "measured - ideal, rms"),
        (measured, model, "measured - model, rms"),
    ):
        square = ((other - reference) ** 2 - errors**2).mean()
        [cell] = column(table, heading)
        assert value_of(cell) == pytest.approx(np.sqrt(square)), heading
        # The interval is that of the mean square over circuits, on the scale of its root.
        low, high = np.sqrt([max(end, 0) for end in _ends((other - reference) ** 2 - errors**2)])
        assert isinstance(cell, Estimate)
        assert (cell.low, cell.high) == pytest.approx((low, high), rel=0.1)
    [own] = column(table, "model - ideal, rms")
    assert value_of(own) == pytest.approx(np.sqrt(((model - ideal) ** 2).mean()))
    assert column(table, "shots alone, rms") == [pytest.approx(np.sqrt((errors**2).mean()))]
    ratio = (((measured - model) / errors) ** 2).mean(axis=1)
    assert_mean(column(table, "squared difference by shots' variance")[0], [ratio])
    assert column(table, "circuits") == [32.0] and column(table, "shots") == [4096.0]
    drawn = {line.name: line.y for line in finding.figures[0].series}
    assert drawn["measured"] == (value_of(column(table, "measured - ideal, rms")[0]),)
    assert drawn["noise model"] == (value_of(own),)
    assert drawn["measured minus model"] == (value_of(column(table, "measured - model, rms")[0]),)


def _ends(squares: NDArray[np.float64]) -> tuple[float, float]:
    expected = mean_of([squares.mean(axis=1)])
    return expected.low, expected.high


def test_a_value_that_all_shots_agreed_on_is_known_to_one_shot(scope: Scope) -> None:
    arrays = job(scope, "j1", "ibm_fez", 0.0)
    arrays["errors"] = np.zeros((32, 3))
    scope.store(STUDY).keep(model_file("j1"), arrays)
    index(scope, ("j1", "ibm_fez", "2026-01-02"))
    [table] = ModelVsDevice().analyse(scope).tables
    assert column(table, "shots alone, rms") == [pytest.approx(1 / 4096)]


def test_devices_are_told_before_stand_ins_and_what_has_no_model_is_noted(scope: Scope) -> None:
    job(scope, "j1", "ibm_fez", 0.2)
    job(scope, "j2", "fake_fez", 0.0)
    index(scope, ("j1", "ibm_fez", "c"), ("j2", "fake_fez", "c"), ("j3", "ibm_kyiv", ""))
    finding = ModelVsDevice().analyse(scope)
    assert (finding.answer or "").startswith("ibm_fez was off the ideal by 0.")
    assert "fake_fez" not in (finding.answer or "")
    assert column(finding.tables[0], "job") == ["j1", "j2"]
    [note] = finding.notes
    assert note.startswith("Job j3 of ibm_kyiv ran probe circuits, but cannot be modelled")
    assert finding.provenance == {
        "j1": "ibm_fez, 2026-01-02T03:04:05",
        "j2": "fake_fez, 2026-01-02T03:04:05",
    }


def test_a_job_whose_numbers_are_gone_is_refused(scope: Scope) -> None:
    index(scope, ("j1", "ibm_fez", "2026-01-02"))
    with pytest.raises(DataError, match=r"j1-2\.npz is not there yet"):
        ModelVsDevice().analyse(scope)
