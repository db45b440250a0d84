"""A training whose device is recalibrated under way: stopped, gone on with, recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qhw.commands.train import train_run
from qhw.config import parse_config
from qhw.errors import ConfigError, DriftError
from qhw.runs.directory import create_run
from qhw.runs.settings import run_to_resume
from tests.ibm_cloud.cloud import Cloud

SETTINGS: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "ibm_nairobi", "shots": 64, "mitigation": "readout"},
    "hardware": {"max_jobs": 100, "on_drift": "stop"},
    "gradient": {"rule": "frozen"},
    "environment": {"steps": 3},
    "ppo": {"updates": 2, "environments": 4, "epochs": 1, "minibatches": 2},
    "evaluation": {"latents": 20},
}


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    torch.set_num_threads(1)


def recalibrate_at_job(cloud: Cloud, number: int) -> None:
    """Three times the errors from the given submission on."""
    submit = cloud.submit

    def watching(body: dict[str, Any]) -> dict[str, Any]:
        if len(cloud.jobs) + 1 == number:
            cloud.recalibrate("ibm_nairobi", 3.0, "2026-11-20T08:00:00+00:00")
        return submit(body)

    cloud.submit = watching  # type: ignore[method-assign]


@pytest.mark.slow  # two trainings on a device
def test_a_training_stops_goes_on_and_keeps_what_was_said(
    paid_cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recalibrate_at_job(paid_cloud, 5)  # step 2 of update 2
    run = create_run(tmp_path / "runs", parse_config(SETTINGS), "r")
    with pytest.raises(DriftError, match="verdict refit") as raised:
        train_run(run)
    assert "--on-drift refit" in raised.value.hint
    assert len(paid_cloud.jobs) == 5
    assert [record["drift"] for record in run.metrics()] == [[]]
    with pytest.raises(DriftError):
        train_run(run)
    assert len(paid_cloud.jobs) == 5
    capsys.readouterr()

    going_on = run_to_resume(run.path, {"hardware": {"on_drift": "refit"}}, {})
    train_run(going_on)
    assert "ibm_nairobi was recalibrated" in capsys.readouterr().out
    assert len(paid_cloud.jobs) == 6 + 3  # two updates, the evaluation
    first, second = (record["drift"] for record in run.metrics())
    assert first == []
    (line,) = second
    assert "verdict refit" in line
    evaluated = run.read_json("evaluation.json")
    assert [note["text"] for note in evaluated["drift"]] == [line]
    assert evaluated["recalibrations"] == f"1, the last: {line}"
    assert evaluated["on drift"] == "refit"


def test_something_else_to_do_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be warn, refit or stop"):
        parse_config({**SETTINGS, "hardware": {"on_drift": "pause"}})
