from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from qhw.cli.app import app
from qhw.commands.compare import ComparisonRequest
from qhw.commands.run import DeploymentRequest
from qhw.config import RunConfig
from qhw.errors import ConfigError
from qhw.runs.directory import create_run


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the functions that commands call were given; none of them does anything.

    There are runs a and b in `runs`, and a latest one in `elsewhere`.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        create_run(Path("runs"), RunConfig(), name)
    create_run(Path("elsewhere"), RunConfig(), "c").point_latest_here()
    calls: dict[str, Any] = {}

    def catch(place: str, answer: object = None) -> None:
        name = place.rpartition(".")[2]

        def called(*positional: Any, **named: Any) -> object:
            calls[name] = (*positional, named) if named else positional
            return answer

        monkeypatch.setattr(place, called)

    catch("qhw.runs.settings.checked_training_settings", RunConfig(seed=5))
    catch("qhw.runs.settings.run_to_resume", "resumed")
    catch("qhw.commands.train.new_run", "created")
    catch("qhw.commands.train.train_run")
    catch("qhw.runs.settings.deployment_settings", RunConfig(seed=6))
    catch("qhw.commands.run.deploy")
    catch(
        "qhw.runs.settings.run_to_evaluate", SimpleNamespace(run="a run", latents=33, config=None)
    )
    catch("qhw.commands.evaluate.evaluate_run")
    catch("qhw.commands.compare.compare_runs")
    catch("qhw.commands.runs.print_runs")
    return calls


def type_in(line: str) -> None:
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 0, result.output


def test_a_training_is_ordered_created_and_begun(calls: dict[str, Any]) -> None:
    type_in("train --config a.toml --preset paper --from runs/b --name c --runs d --tensorboard")
    files = {"config": Path("a.toml"), "start_from": Path("runs/b"), "runs": Path("d")}
    sources = {**files, "preset": "paper"}
    assert calls == {
        "checked_training_settings": ({}, sources),
        "new_run": (Path("d"), RunConfig(seed=5), "c"),
        "train_run": ("created", {"track": ["tensorboard"]}),
    }


def test_a_training_is_resumed_with_what_else_was_typed(calls: dict[str, Any]) -> None:
    type_in("train --resume runs/a --max-jobs 3 --preset paper --name c")
    others = {"--config": None, "--name": "c", "--from": None, "--preset": "paper"}
    assert calls == {
        "run_to_resume": (Path("runs/a"), {"hardware": {"max_jobs": 3}}, others, Path("runs")),
        "train_run": ("resumed", {"track": []}),
    }
    type_in("train --resume --runs elsewhere")
    assert calls["run_to_resume"][::3] == (None, Path("elsewhere"))


def test_a_run_alone_is_asked_what_to_do_with() -> None:
    error = CliRunner().invoke(app, ["train", "runs/a"]).exception
    assert isinstance(error, ConfigError)
    assert "train --resume runs/a" in error.hint and "train --from runs/a" in error.hint


def test_a_run_is_deployed_as_it_was_asked_for(calls: dict[str, Any]) -> None:
    type_in("run runs/a --images 3 --seed 4 --query-every 2 --resume --fresh")
    more = {"resume": True, "fresh": True, "runs": Path("runs")}
    assert calls == {
        "deployment_settings": (Path("runs/a"), {}, {}, more),
        "deploy": (
            Path("runs/a").resolve(),
            RunConfig(seed=6),
            DeploymentRequest(3, 4, 2, True, True),
        ),
    }
    type_in("run --runs elsewhere")
    assert calls["deploy"] == (
        Path("elsewhere/c").resolve(),
        RunConfig(seed=6),
        DeploymentRequest(),
    )


def test_a_run_is_evaluated_on_as_many_latents_as_its_settings_say(calls: dict[str, Any]) -> None:
    type_in("evaluate runs/a --latents 40")
    assert calls["run_to_evaluate"] == (Path("runs/a"), 40, {}, Path("runs"))
    named = {"full": True, "published": False, "config": None}
    assert calls["evaluate_run"] == ("a run", 33, named)
    type_in("evaluate --full --runs elsewhere --set evaluation.bootstrap=100")
    assert calls["evaluate_run"] == ("a run", 33, {**named, "published": True})
    bootstrap = {"evaluation": {"bootstrap": 100}}
    assert calls["run_to_evaluate"] == (
        Path("elsewhere/latest"),
        None,
        bootstrap,
        Path("elsewhere"),
    )


def test_two_runs_are_compared(calls: dict[str, Any]) -> None:
    type_in("compare a b --latents 60 --out c")
    request = ComparisonRequest(60, {"name": None}, Path("c"))
    assert calls["compare_runs"] == (
        Path("runs/a").resolve(),
        Path("runs/b").resolve(),
        request,
    )
    assert not request.changes_backend


def test_runs_are_listed_in_the_folder_that_was_named(calls: dict[str, Any]) -> None:
    type_in("runs --runs elsewhere")
    assert calls["print_runs"] == (Path("elsewhere"),)
