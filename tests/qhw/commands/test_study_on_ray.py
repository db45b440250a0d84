"""`qhw study --executor ray`: the same runs as here, brought back, and nothing done twice."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import qhw
from qhw.cluster.results import Results
from qhw.cluster.tasks import Ended
from qhw.commands.study_on_ray import (
    CARDS,
    DRIVER_LOCK,
    Cluster,
    Training,
    _as_the_driver,
    do_training,
    take,
    train_on_ray,
    trainings_of,
)
from qhw.errors import BundleError, BusyError, ConfigError, InstallationError, StudyError
from qhw.runs.directory import create_run, open_run
from qhw.runs.lock import sole_use
from qhw.studies.trained.task import Task, tasks_of
from tests.small_study import SMALL, TYPED, checked, typed

pytestmark = pytest.mark.usefixtures("small")


def tasks(seeds: int = 1) -> list[Task]:
    return tasks_of(SMALL, range(seeds), checked(TYPED))


def test_what_nothing_heeds_is_refused(tmp_path: Path) -> None:
    here = typed(tmp_path, "--address auto --tries 2")
    assert isinstance(here.exception, ConfigError)
    assert "--address auto, --tries 2: there is no cluster" in str(here.exception)
    there = typed(tmp_path, "--executor ray --address auto --workers 3")
    assert "--workers 3: the cluster at auto has as many as it has" in str(there.exception)
    place = typed(tmp_path, "--executor ray --results nonsense://x")
    assert "--results nonsense://x" in str(place.exception)
    assert not list(tmp_path.iterdir())


def test_a_plan_says_what_each_training_needs(tmp_path: Path) -> None:
    plan = json.loads(typed(tmp_path, "--seeds 2 --dry-run --json").stdout)
    assert (plan["qpu_seconds"], plan["dollars"]) == (0, 0)
    assert (plan["needs"]["cores"], plan["needs"]["gpus"]) == (1, 0)
    gpu = typed(tmp_path, "--seeds 2 --dry-run --set torch_device=cuda").stdout
    assert "Each needs 1 core, 1.5 GiB, 1 GPU." in gpu


def test_arms_that_share_a_training_send_it_once(tmp_path: Path) -> None:
    task = tasks()[0]
    other = Task("other", 0, task.config, checked({**TYPED, "environment": {"steps": 4}}))
    sent = trainings_of([task, other], 20, Results(str(tmp_path)))
    assert list(sent) == [task.name]
    (training,) = sent.values()
    assert training.played[0] is None
    assert training.played[1] is not None and training.played[1]["environment"]["steps"] == 4


def test_a_machine_of_another_version_or_model_does_nothing(tmp_path: Path) -> None:
    (training, *_) = trainings_of(tasks(), 20, Results(str(tmp_path))).values()
    older = Training(**{**vars(training), "version": "0.0"})
    with pytest.raises(InstallationError, match=rf"qhw {qhw.__version__}, .* begun by 0\.0"):
        do_training(older)
    another = Training(**{**vars(training), "model": "0" * 64})
    with pytest.raises(BundleError, match=r"'fashion-mnist' is [0-9a-f]+, .* it is 0000"):
        do_training(another)
    assert another.result != training.result
    assert not list(tmp_path.iterdir())


def test_two_studies_do_not_bring_runs_to_one_folder(tmp_path: Path) -> None:
    with sole_use(tmp_path / "runs", DRIVER_LOCK):
        result = typed(tmp_path, "--executor ray --seeds 1")
    assert isinstance(result.exception, BusyError)


def kept(name: str, results: Results, content: bytes) -> None:
    training = trainings_of([t for t in tasks() if t.name == name], 20, results)[name]
    results.keep(training.result, content)


def test_what_was_begun_here_and_what_is_damaged_stop_nothing(tmp_path: Path) -> None:
    one, other = tasks()
    runs, results = tmp_path / "runs", Results.seen_by_all(str(tmp_path / "results"))
    run = create_run(runs, one.config, one.name)
    (run.path / "precious").touch()
    kept(other.name, results, b"no archive")
    kept(one.name, results, b"never looked at")
    missing = train_on_ray([one, other], 20, runs, Cluster(results=results.url))
    assert "was begun here. `qhw train --resume" in missing[one.name]
    assert f"{results.url}/{other.name}" in missing[other.name]
    assert "cannot be read" in missing[other.name]
    assert (run.path / "precious").exists()
    assert not (runs / other.name).exists()


def test_a_failure_that_cannot_be_recorded_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    results = Results(str(tmp_path / "file"))
    (training, *_) = trainings_of(tasks(), 20, results).values()
    for error in ("it broke", None):
        told = take(Ended(training.name, error, "where"), training, tmp_path / "runs")
        assert "could not be recorded" in told[training.name]
        assert (error or str(tmp_path)) in told[training.name]


def test_a_training_elsewhere_leaves_this_process_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (training, *_) = trainings_of(tasks(), 20, Results(str(tmp_path))).values()
    gone = Training(**{**vars(training), "folder": str(tmp_path / "gone"), "command": ("qhw", "x")})
    monkeypatch.chdir(tmp_path)
    typed_before = sys.argv
    for seen in (None, "0,1"):
        monkeypatch.delenv(CARDS, raising=False)
        if seen:
            monkeypatch.setenv(CARDS, seen)
        for sent, gpus in ((training, 0), (training, 1), (gone, 0)):
            with _as_the_driver(sent, gpus=gpus):
                assert os.environ.get(CARDS) == (seen if gpus else "")
                assert sys.argv == [*sent.command]
                assert Path.cwd() == (tmp_path if sent is gone else Path(training.folder))
            assert (os.environ.get(CARDS), sys.argv) == (seen, typed_before)
            assert Path.cwd() == tmp_path


def test_a_plan_knows_what_lies_with_the_results(tmp_path: Path) -> None:
    kept(tasks()[0].name, Results.seen_by_all(str(tmp_path / "there")), b"")
    plan = f"--seeds 1 --executor ray --results {tmp_path}/there --dry-run --json"
    found = json.loads(typed(tmp_path, plan).stdout)
    assert (found["trainings"], found["done"], found["cores"]) == (2, 1, None)


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / "runs" / name / "checkpoints" / "00001" / "state.safetensors")


@pytest.mark.slow  # a cluster of this machine, and four trainings
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_trains_what_this_machine_would(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    here, there = tmp_path / "here", tmp_path / "there"
    on_ray = f"--executor ray --workers 2 --results file://{tmp_path}/results --seeds 1 --json"
    local = json.loads(typed(here, "--workers 2 --seeds 1 --json").stdout)
    first = typed(there, on_ray)
    remote = json.loads(first.stdout)
    assert remote["arms"] == local["arms"]
    names = [task.name for task in tasks()]
    for name in names:
        command = open_run(there / "runs" / name).read_json("provenance.json")["command"]
        assert command == ["qhw", *sys.argv[1:]]
        for key, value in weights(here, name).items():
            assert torch.equal(value, weights(there, name)[key]), key
        outcomes = [folder / "runs" / name / "outcomes" for folder in (here, there)]
        (kept,) = [path.name for path in outcomes[0].glob("*.safetensors")]
        a, b = (load_file(folder / kept) for folder in outcomes)
        assert all(np.array_equal(a[key], b[key], equal_nan=True) for key in a)
    # Brought to another folder, nothing is trained again.
    other = tmp_path / "other"
    stamps = [path.stat().st_mtime_ns for path in (tmp_path / "results").iterdir()]
    assert json.loads(typed(other, on_ray).stdout)["arms"] == local["arms"]
    assert stamps == [path.stat().st_mtime_ns for path in (tmp_path / "results").iterdir()]
    assert open_run(other / "runs" / names[0]).metrics() == (
        open_run(there / "runs" / names[0]).metrics()
    )


@pytest.mark.slow  # a cluster of this machine, and two trainings
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_study_that_is_not_whole_says_what_is_missing_and_why(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    results = tmp_path / "results"
    results.mkdir()
    blocked = tasks()[1].name
    place = trainings_of(tasks(), 20, Results(str(results)))[blocked].result
    # Where its result should lie is a folder: it cannot be kept, however often it is tried.
    (results / f"{place}.tar.gz").mkdir()
    line = f"--executor ray --workers 2 --results {results} --seeds 1 --tries 2"
    result = typed(tmp_path, line)
    assert isinstance(result.exception, StudyError)
    assert result.exception.exit_code == 5
    assert f"1 of 2 trainings are not done: {blocked} (mlp)" in result.exception.message
    assert "cannot be written" in result.exception.hint
    recorded = json.loads((results / f"{place}.failed.json").read_text())
    assert "cannot be written" in recorded["error"]
    assert "| ring |" in (tmp_path / "small.md").read_text()
    (results / f"{place}.tar.gz").rmdir()
    again = typed(tmp_path, line)
    assert again.exit_code == 0
    assert not (results / f"{place}.failed.json").exists()
