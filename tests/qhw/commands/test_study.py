"""`qhw study`: trained once, played once, more seeds train only what is new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhw.commands.study import request_of
from qhw.config import merge
from qhw.errors import ConfigError, StudyError
from qhw.runs.directory import create_run, open_run
from qhw.studies.trained import catalogue
from qhw.studies.trained.catalogue import TrainedStudy
from qhw.studies.trained.study_size import StudySize
from qhw.studies.trained.task import tasks_of
from tests.small_study import SMALL, TYPED, checked, typed


def test_a_plan_trains_nothing(small: None, tmp_path: Path) -> None:
    result = typed(tmp_path, "--seeds 3 --dry-run --json")
    plan = json.loads(result.stdout)
    assert (plan["trainings"], plan["done"], plan["core_hours"]) == (6, 0, None)
    assert not (tmp_path / "runs").exists()
    told = typed(tmp_path, "--seeds 3 --dry-run").stdout
    assert "6 trainings on simulators, nothing is paid" in told


def test_a_first_look_lies_apart_and_can_be_typed_again(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = checked(merge(StudySize.quick().settings, {"backend": {"name": "aer"}}))
    request = request_of(SMALL, base, StudySize.quick())
    assert request.command == (
        "qhw study small --seeds 2 --latents 500 --folder studies/quick "
        "--set backend.name=aer --set ppo.environments=20"
    )
    assert (len(request.tasks), request.runs) == (4, Path("studies/quick/runs"))
    own = StudySize.quick().told(7, None, tmp_path)
    assert (own.seeds, own.latents, own.folder) == (7, 500, tmp_path)
    plan = json.loads(typed(tmp_path, "--quick --dry-run --json").stdout)
    assert plan["trainings"] == 4


@pytest.mark.parametrize("study", catalogue.STUDIES.values(), ids=catalogue.STUDIES)
def test_every_study_has_a_first_look(study: TrainedStudy) -> None:
    quick = StudySize.quick()
    assert {task.seed for task in request_of(study, checked(quick.settings), quick).tasks} == {0, 1}


def test_a_folder_of_a_run_that_never_began_is_in_nobody_s_way(small: None, tmp_path: Path) -> None:
    name = tasks_of(SMALL, [0], checked(TYPED))[0].name
    (tmp_path / "runs" / name).mkdir(parents=True)
    plan = json.loads(typed(tmp_path, "--seeds 1 --dry-run --json").stdout)
    assert (plan["trainings"], plan["done"]) == (2, 0)


def test_what_cannot_be_is_refused(small: None, tmp_path: Path) -> None:
    result = typed(tmp_path, "--set seed=3")
    assert isinstance(result.exception, ConfigError)
    assert "seed: the study 'small' sets that itself" in str(result.exception)
    for more in ("--backend fake_fez", "--backend fake_fez --dry-run"):
        paid = typed(tmp_path, more)
        assert "several runs at once" in str(paid.exception)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow  # four trainings, each in a process of its own
def test_a_study_goes_on_from_what_is_there(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = typed(tmp_path, "--seeds 1 --json")
    found = json.loads(first.stdout)
    assert [row["arm"] for row in found["arms"]] == ["ring", "mlp"]
    assert [row["parameters"] for row in found["arms"]] == [2498, 2501]
    assert found["arms"][0]["circuit"]["error"] == 0, "exact, and without noise"
    assert found["differences"][0]["verdict"] == "one seed says nothing of the kind"
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*-seed*/outcomes/*")}
    assert len(kept) == 3, "two outcomes and an error"

    second = json.loads(typed(tmp_path, "--seeds 2 --json").stdout)
    assert [row["seeds"] for row in second["arms"]] == [2, 2]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "played once"
    page = (tmp_path / "small.md").read_text()
    assert page.startswith("# Small?\n\n**A first look: ") and "**\n\n- **mlp** " in page
    assert f"qhw study small --seeds 2 --latents 20 --folder {tmp_path} --set" in page
    other = typed(tmp_path, "--seeds 2 --set ppo.actor_rate=1e-3")
    assert "small.json is of other settings" in str(other.exception)
    provenance = next(tmp_path.glob("runs/*-seed0/provenance.json"))
    facts = json.loads(provenance.read_text())
    provenance.write_text(json.dumps({**facts, "bundle": {**facts["bundle"], "digest": "a"}}))
    anew = typed(tmp_path, "--seeds 3")
    assert "was trained on the bundle 'fashion-mnist' as it was (a)" in str(anew.exception)
    provenance.write_text(json.dumps(facts))
    assert json.loads((tmp_path / "small.json").read_text())["differences"] == second["differences"]
    plan = json.loads(typed(tmp_path, "--seeds 3 --dry-run --json").stdout)
    assert (plan["trainings"], plan["done"]) == (6, 4)
    assert plan["core_hours"] > 0


@pytest.mark.slow  # a training in a process of its own
def test_one_that_fails_is_named_and_the_others_are_compared(small: None, tmp_path: Path) -> None:
    bad = tasks_of(SMALL, [0], checked(TYPED))[1]
    run = create_run(tmp_path / "runs", bad.config, bad.name)
    (run.path / "metrics.jsonl").mkdir()
    result = typed(tmp_path, "--seeds 1")
    assert isinstance(result.exception, StudyError)
    assert result.exception.exit_code == 5
    assert f"1 of 2 trainings are not done: {bad.name} (mlp)" in str(result.exception)
    assert open_run(run.path).name == bad.name
    page = (tmp_path / "small.md").read_text()
    assert "| ring | 1 | 2,498 |" in page and f"not done: {bad.name} (mlp)." in page


@pytest.mark.slow  # two trainings, each in a process of its own, and guidance chosen anew
def test_guidance_that_learns_nothing_stands_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = TrainedStudy(
        "small",
        "Beside?",
        {"ring": {}, "from 3": {}},
        "ring",
        played={"from 3": {"environment": {"cfg_base": 3.0}}},
        beside=True,
    )
    monkeypatch.setitem(catalogue.STUDIES, "small", beside)
    done = typed(tmp_path, "--seeds 2")
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "runs").glob("*-seed*"))) == 2, "two arms are one training"
    figures = json.loads((tmp_path / "small.json").read_text())
    rows = {row["arm"]: row for row in figures["arms"]}
    assert {"ring", "from 3", "the ring's mean, open loop", "greedy feedback"} <= set(rows)
    assert rows["ring"]["mean_return"] != rows["from 3"]["mean_return"]
    greedy = rows["greedy feedback"]
    assert (greedy["seeds"], greedy["parameters"], len(greedy["by_seed"])) == (None, None, 1)
    assert rows["the ring's mean, open loop"]["seeds"] == 2
    assert all(0 <= row["proxy"] <= 1 for row in rows.values())
    again = typed(tmp_path, "--seeds 2 --json")
    assert json.loads(again.stdout)["arms"] == figures["arms"]
