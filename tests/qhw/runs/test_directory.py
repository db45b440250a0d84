from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from qhw.config import parse_config
from qhw.errors import CheckpointError, UnknownNameError
from qhw.runs.checkpoint import Checkpoint
from qhw.runs.directory import RunDirectory, create_run, list_runs, open_run


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path, parse_config({"seed": 1}), "a")


def checkpoint(update: int) -> Checkpoint:
    return Checkpoint(update, {"w": torch.full((3,), float(update))}, {"note": "x"})


def test_latest_points_to_the_newest_that_began(tmp_path: Path, run: RunDirectory) -> None:
    second = create_run(tmp_path, parse_config({}), "b")
    run.begin(checkpoint(0), {})
    assert open_run(tmp_path / "latest").path == run.path.resolve()
    second.begin(checkpoint(0), {})
    assert open_run(tmp_path / "latest").path == second.path.resolve()


def test_runs_are_listed_oldest_first_and_by_name_in_a_tie(tmp_path: Path) -> None:
    for name, created in (("c", 100), ("b", 200), ("a", 200)):
        config = create_run(tmp_path, parse_config({}), name).path / "config.toml"
        os.utime(config, (created, created))
    assert [found.name for found in list_runs(tmp_path)] == ["c", "a", "b"]


def test_only_a_run_that_never_began_is_discarded(tmp_path: Path, run: RunDirectory) -> None:
    second = create_run(tmp_path, parse_config({}), "b")
    run.append_metrics({"update": 1})
    run.discard()
    second.discard()
    assert [found.name for found in list_runs(tmp_path)] == ["a"]


def test_a_taken_name_is_refused(tmp_path: Path, run: RunDirectory) -> None:
    with pytest.raises(UnknownNameError, match="already a run"):
        create_run(tmp_path, parse_config({}), "a")


def test_an_unknown_run_names_the_nearest(tmp_path: Path, run: RunDirectory) -> None:
    with pytest.raises(UnknownNameError, match="qhw runs"):
        open_run(tmp_path / "aa")


def test_three_checkpoints_are_kept(run: RunDirectory) -> None:
    for update in range(5):
        run.save_checkpoint(checkpoint(update))
    assert len(list((run.path / "checkpoints").iterdir())) == 3
    newest = run.latest_checkpoint()
    assert newest.update == 4
    assert torch.equal(newest.tensors["w"], torch.full((3,), 4.0))
    assert newest.state == {"note": "x"}


def test_a_truncated_checkpoint_is_reported_and_the_one_before_stays(run: RunDirectory) -> None:
    for update in range(2):
        run.save_checkpoint(checkpoint(update))
    damaged = run.path / "checkpoints" / "00001" / "state.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(CheckpointError, match="is damaged") as caught:
        run.latest_checkpoint()
    assert "rm -r" in caught.value.hint
    damaged.unlink()
    (damaged.parent / "state.json").unlink()
    damaged.parent.rmdir()
    assert run.latest_checkpoint().update == 0


def test_metrics_cut_short_by_a_kill_are_left_out(run: RunDirectory) -> None:
    run.append_metrics({"update": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"upd')
    assert run.metrics() == [{"update": 1}]
    run.truncate_metrics(0)
    assert run.metrics() == []
