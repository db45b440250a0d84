from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qhw.commands.runs import print_runs
from qhw.config import parse_config
from qhw.console.output import Output, speak
from qhw.errors import CheckpointError
from qhw.evaluation.arms import ORDER
from qhw.runs.directory import RunDirectory, create_run
from qhw.runs.status import failure_kept

GAIN = {"estimate": 0.05, "low": 0.01, "high": 0.09}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four runs: finished, stopped, failed, and one whose table is damaged."""
    settings: dict[str, dict[str, Any]] = {
        "finished": {"seed": 3},
        "stopped": {"backend": {"name": "aer"}},
        "failed": {},
        "damaged": {},
    }
    runs = {
        name: create_run(tmp_path, parse_config({"ppo": {"updates": 1}, **own}), name)
        for name, own in settings.items()
    }
    finish(runs["finished"])
    with pytest.raises(CheckpointError), failure_kept(runs["failed"]):
        raise CheckpointError("the disk is full", "make room")
    (runs["damaged"].path / "evaluation.json").write_text('{"rows": [')
    return tmp_path


def finish(run: RunDirectory) -> None:
    run.append_metrics({"update": 1})
    rows = [{"gain": GAIN} for _ in ORDER]
    run.keep_evaluation({"updates": 1, "latents": 500, "arms": ORDER, "rows": rows})
    run.point_latest_here()


def listed(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    speak(Output(as_json=True))
    print_runs(root)
    speak(Output())
    return {record["run"]: record for record in json.loads(capsys.readouterr().out)}


def test_one_damaged_run_does_not_hide_the_others(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = listed(root, capsys)
    assert {name: run["status"] for name, run in runs.items()} == {
        name: name for name in ("finished", "stopped", "failed", "damaged")
    }
    assert runs["finished"]["gain"] == GAIN
    assert (runs["finished"]["updates"], runs["finished"]["latents"]) == (1, 500)
    assert runs["failed"]["trouble"] == "the disk is full"
    assert "evaluation.json cannot be read" in runs["damaged"]["trouble"]
    assert [name for name, run in runs.items() if run["latest"]] == ["finished"]


def test_settings_that_differ_are_shown_and_no_others(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = listed(root, capsys)
    assert runs["finished"]["settings"] == {"seed": "3", "backend.name": "aer_noisy"}
    assert runs["stopped"]["settings"] == {"seed": "0", "backend.name": "aer"}


def test_the_table_says_what_the_record_does(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    print_runs(root)
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if "finished (latest)" in line)
    assert "1/1" in line and "+0.050 [+0.010, +0.090]" in line and "seed=3" in line
    (line,) = (line for line in lines if line.strip().startswith("failed"))
    assert "0/1" in line and "the disk is full" in line


def test_a_folder_without_runs_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_runs(tmp_path)
    assert "makes one" in capsys.readouterr().out
    assert listed(tmp_path, capsys) == {}
