from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qhw.config import parse_config
from qhw.errors import BudgetReachedError, BusyError, CheckpointError, UnknownNameError
from qhw.runs.directory import RunDirectory, create_run
from qhw.runs.lock import sole_use
from qhw.runs.status import Status, failure_kept, newest_unfinished, status_of
from qhw.runs.waiting import turn_over, waiting


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path / "runs", parse_config({"ppo": {"updates": 2}}), "a")


def seen_by_others(run: RunDirectory) -> Status:
    """What a thread finds that holds none of this one's locks."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(status_of, run).result()


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
    with sole_use(run.path):
        assert seen_by_others(run) is Status.RUNNING
    assert status_of(run) is Status.STOPPED


def test_a_run_waits_while_the_sweep_that_will_come_to_it_is_alive(tmp_path: Path) -> None:
    runs = [create_run(tmp_path, parse_config({"seed": seed}), f"r{seed}") for seed in (0, 1)]
    with waiting(runs):
        assert [seen_by_others(run) for run in runs] == [Status.WAITING, Status.WAITING]
        with sole_use(runs[0].path):
            assert seen_by_others(runs[0]) is Status.RUNNING
        turn_over(runs[0])
        assert seen_by_others(runs[0]) is Status.STOPPED
        assert seen_by_others(runs[1]) is Status.WAITING
        kept = (runs[1].path / "waiting").read_bytes()
    assert [status_of(run) for run in runs] == [Status.STOPPED, Status.STOPPED]
    (runs[1].path / "waiting").write_bytes(kept)
    assert status_of(runs[1]) is Status.STOPPED, "as a sweep that was killed leaves it"


def test_a_second_sweep_over_the_same_runs_is_refused(run: RunDirectory) -> None:
    with waiting([run]), ThreadPoolExecutor(1) as pool:
        with pytest.raises(BusyError, match="Another process is at work"):
            pool.submit(lambda: waiting([run]).__enter__()).result()
        assert seen_by_others(run) is Status.WAITING


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
