from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from qhw.commands.train import _announce, describe, new_run, train_run
from qhw.config import parse_config
from qhw.files import write_json
from qhw.runs.directory import RunDirectory, open_run
from qhw.runs.status import Status, status_of
from qhw.training.trainer import Trainer

TINY: dict[str, Any] = {
    "backend": {"name": "aer"},
    "ppo": {"updates": 2, "environments": 4},
    "evaluation": {"latents": 20},
    "environment": {"steps": 2},
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, str]:
    """A finished run, and what its training printed."""
    run = new_run(tmp_path_factory.mktemp("runs"), parse_config(TINY), "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "400")
        return run, printed(run)


def printed(run: RunDirectory) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        train_run(run)
    return out.getvalue()


def test_another_precision_than_a_run_began_in_is_told(tmp_path: Path) -> None:
    run = new_run(tmp_path, parse_config(TINY), "moved")
    trainer = Trainer(run.config)
    run.begin(trainer.checkpoint(), describe(trainer))
    told = []
    for precision in ("fp32", "bf16"):
        facts = {**run.read_json("provenance.json"), "precision": precision}
        write_json(run.path / "provenance.json", facts)
        console = Console(file=io.StringIO(), width=400)
        _announce(console, run, trainer)
        assert isinstance(console.file, io.StringIO)
        told.append(console.file.getvalue())
    assert "pictures were made in" not in told[0]
    assert "made in bf16 where the run began, here they are in fp32" in told[1]


@pytest.mark.slow  # a training with its table
def test_what_it_ran_on_is_told_once(told: tuple[RunDirectory, str]) -> None:
    for fact in ("backend: aer", "shots: exact", "2498 parameters"):
        assert told[1].count(fact) == 1
    assert "parameters: 2498" not in told[1]
    assert "training seconds: " in told[1]


@pytest.mark.slow  # a training with its table
def test_a_training_leaves_a_curve_and_is_the_latest(told: tuple[RunDirectory, str]) -> None:
    run, text = told
    assert "plots/training.png" in text
    assert open_run(run.path.parent / "latest").path == run.path.resolve()
    assert status_of(run) is Status.FINISHED


@pytest.mark.slow  # a training with its table
def test_every_update_records_the_guidance_of_every_step(told: tuple[RunDirectory, str]) -> None:
    low, high = told[0].config.environment.guidance_min, told[0].config.environment.guidance_max
    for record in told[0].metrics():
        assert len(record["guidance_by_step"]) == TINY["environment"]["steps"]
        assert all(low <= guidance <= high for guidance in record["guidance_by_step"])


@pytest.mark.slow  # a training with its table
def test_resuming_a_finished_run_prints_what_is_there(told: tuple[RunDirectory, str]) -> None:
    run = told[0]
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.json*")}
    text = printed(run)
    assert "is finished: 2 updates, evaluated on 20 latents" in text
    assert "Paired over the same 20 latents" in text
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*.json*")} == before


def test_progress_moves_within_an_update(tmp_path: Path) -> None:
    trainer = Trainer(parse_config(TINY))
    seen: list[float] = []
    trainer.moved = seen.append
    trainer.advance()
    steps, minibatches = 2, 6 * 4
    assert len(seen) >= steps + minibatches
    assert seen == sorted(seen)
    assert 0 == seen[0] < seen[-1] < 1
