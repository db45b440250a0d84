from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qhw.config import parse_config
from qhw.errors import BudgetReachedError, CheckpointError, UnknownNameError
from qhw.runs.directory import RunDirectory, create_run
from qhw.runs.lock import sole_use
from qhw.runs.status import Status, failure_kept, newest_unfinished, status_of


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path / "runs", parse_config({"ppo": {"updates": 2}}), "a")


def train_to(run: RunDirectory, updates: int) -> None:
    for update in range(updates):
        run.append_metrics({"update": update + 1})


def evaluate(run: RunDirectory, updates: int) -> None:
    run.keep_evaluation({"updates": updates, "latents": 20, "rows": []})


def test_a_run_is_finished_once_its_last_weights_are_evaluated(run: RunDirectory) -> None:
    assert status_of(run) is Status.STOPPED
    train_to(run, 1)
    evaluate(run, 1)
    assert status_of(run) is Status.STOPPED, "evaluated half-way is not finished"
    train_to(run, 1)
    assert status_of(run) is Status.STOPPED
    evaluate(run, 2)
    assert status_of(run) is Status.FINISHED


def test_a_run_that_is_worked_on_is_running(run: RunDirectory) -> None:
    seen: list[Status] = []
    with sole_use(run.path):
        looker = threading.Thread(target=lambda: seen.append(status_of(run)))
        looker.start()
        looker.join()
    assert seen == [Status.RUNNING]
    assert status_of(run) is Status.STOPPED


def test_why_a_run_failed_is_kept_until_it_goes_on(run: RunDirectory) -> None:
    with pytest.raises(CheckpointError), failure_kept(run):
        raise CheckpointError("the disk is full", "make room")
    assert status_of(run) is Status.FAILED
    failure = run.read_json("failure.json")
    assert (failure["message"], failure["hint"]) == ("the disk is full", "make room")
    with failure_kept(run):
        assert not (run.path / "failure.json").exists()
    assert status_of(run) is Status.STOPPED


def test_what_nobody_foresaw_is_kept_with_its_trace(run: RunDirectory) -> None:
    with pytest.raises(ZeroDivisionError), failure_kept(run):
        _ = 1 / 0
    failure = run.read_json("failure.json")
    assert failure["error"] == "ZeroDivisionError"
    assert "_ = 1 / 0" in failure["traceback"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), BudgetReachedError("a limit", "raise it")])
def test_a_stop_is_no_failure(run: RunDirectory, stop: BaseException) -> None:
    with pytest.raises(type(stop)), failure_kept(run):
        raise stop
    assert status_of(run) is Status.STOPPED


@pytest.mark.parametrize("file", ["config.toml", "evaluation.json"])
def test_what_cannot_be_read_is_damaged(run: RunDirectory, file: str) -> None:
    (run.path / file).write_text("{{")
    assert status_of(run) is Status.DAMAGED


def test_the_newest_unfinished_run_is_the_one_to_go_on_with(run: RunDirectory) -> None:
    root = run.path.parent
    assert newest_unfinished(root).name == "a"
    create_run(root, parse_config({}), "b")
    assert newest_unfinished(root).name == "b"
    for each in ("a", "b"):
        (root / each / "config.toml").write_text("{{")
    with pytest.raises(UnknownNameError, match="no unfinished run"):
        newest_unfinished(root)
