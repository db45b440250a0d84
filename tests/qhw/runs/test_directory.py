from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from qhw.config import parse_config
from qhw.errors import CheckpointError, ConfigError, DamagedFileError, UnknownNameError
from qhw.runs.checkpoint import Checkpoint
from qhw.runs.directory import RunDirectory, create_run, list_runs, open_run


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path, parse_config({"seed": 1}), "a")


def checkpoint(update: int) -> Checkpoint:
    return Checkpoint(update, {"w": torch.full((3,), float(update))}, {"note": "x"})


def test_latest_points_to_the_run_that_finished_last(tmp_path: Path, run: RunDirectory) -> None:
    second = create_run(tmp_path, parse_config({}), "b")
    with pytest.raises(UnknownNameError, match=f"No run in {tmp_path} is finished"):
        open_run(tmp_path / "latest")
    for finished in (run, second):
        finished.point_latest_here()
        assert open_run(tmp_path / "latest").path == finished.path.resolve()


def test_a_run_is_found_by_its_name_in_the_folder_of_runs(
    tmp_path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_run(Path(run.name), tmp_path).path == run.path.resolve()
    monkeypatch.chdir(tmp_path)
    kept = create_run(Path("runs"), parse_config({}), "kept")
    assert open_run(Path("kept")).path == kept.path.resolve()
    with pytest.raises(UnknownNameError, match="'kpt'") as caught:
        open_run(Path("kpt"))
    assert "Did you mean kept?" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["../escape", "a/b", "/tmp/x", "..", ".hidden", "", "latest", "-x"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a run"):
        create_run(tmp_path / "runs", parse_config({}), name)
    assert [*tmp_path.rglob("config.toml")] == []


def test_two_runs_that_begin_in_one_second_get_two_names(tmp_path: Path) -> None:
    names = [create_run(tmp_path, parse_config({})).name for _ in range(3)]
    assert len({*names}) == 3


def evaluation(latents: int, arms: int, updates: int = 60) -> dict[str, Any]:
    return {"latents": latents, "rows": [{}] * arms, "updates": updates}


@pytest.mark.parametrize(
    ("kept", "stays"),
    [
        ([(2000, 9, 60), (500, 9, 60)], (2000, 9, 60)),
        ([(500, 9, 60), (2000, 9, 60)], (2000, 9, 60)),
        ([(500, 24, 60), (500, 9, 60)], (500, 24, 60)),
        ([(2000, 9, 30), (500, 9, 60)], (500, 9, 60)),
    ],
)
def test_a_table_is_never_replaced_by_a_smaller_one_of_the_same_weights(
    run: RunDirectory, kept: list[tuple[int, int, int]], stays: tuple[int, int, int]
) -> None:
    assert run.evaluation is None
    for size in kept:
        run.keep_evaluation(evaluation(*size))
    assert run.evaluation == evaluation(*stays)
    assert len([*(run.path / "evaluations").iterdir()]) == len(kept), "each is kept"


@pytest.mark.parametrize("content", ["", '{"rows": [', "[]", "{}", '{"rows": []}'])
def test_a_damaged_table_is_told_and_gives_way(run: RunDirectory, content: str) -> None:
    (run.path / "evaluation.json").write_text(content)
    with pytest.raises(DamagedFileError, match=r"evaluation\.json cannot be read"):
        _ = run.evaluation
    run.keep_evaluation(evaluation(20, 9))
    assert run.evaluation == evaluation(20, 9)


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


def test_a_folder_that_was_left_before_its_settings_is_begun_anew(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    (left / ".config.toml.123.partial").write_text("seed =")
    assert create_run(tmp_path, parse_config({"seed": 3}), "left").config.seed == 3
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("dear")
    with pytest.raises(UnknownNameError, match="already"):
        create_run(tmp_path, parse_config({}), "notes")


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
