"""The bill: circuits, shots, QPU seconds and dollars, added up by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qhw.files import write_json
from qhw.runs.directory import RunDirectory
from qhw.studies.measured.conditions import NOISELESS, Condition, facts_path
from qhw.studies.questions.cost import Cost
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import column, table_of
from tests.qhw.studies.conftest import made_up_run

DEVICE = "fake_nairobi"


def bill(
    run: RunDirectory, device: str, price: float, **phases: tuple[int, int, int, float]
) -> None:
    """What a deployment on a device took, by phase: jobs, circuits, shots, billed seconds."""
    folder = run.path / "samples" / device
    folder.mkdir(parents=True)
    names = ("jobs", "circuits", "shots", "billed_seconds")
    lines = [
        {"phase": phase, **dict(zip(names, counts, strict=True))}
        for phase, counts in phases.items()
    ]
    told = {"phases": lines, "dollars per second": price}
    (folder / "cost.json").write_text(json.dumps(told))


def analysed(scope: Scope) -> Any:
    Cost().acquire(scope)
    return Cost().analyse(scope)


def test_every_line_of_the_bill_is_priced_by_its_own_device(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    bill(run, "ibm_fez", 2.0, calibration=(1, 32, 131_072, 46.0), images=(3, 48, 49_152, 23.5))
    bill(run, "fake_fez", 9.0, images=(3, 48, 49_152, 23.5))
    finding = analysed(Scope((run,), tmp_path / "report", DEVICE))
    work = table_of(finding, "work")
    assert column(work, "what for") == [
        "training, forward",
        "training, weights",
        "images, fake_fez",
        "calibration, ibm_fez",
        "images, ibm_fez",
        "policies played",
    ]
    assert column(work, "circuits") == [12, 12, 48, 32, 48, 0]
    assert column(work, "shots") == [0, 0, 49_152, 131_072, 49_152, 0]
    assert column(work, "jobs") == [0, 0, 3, 1, 3, 0]
    assert column(work, "QPU time", "s") == [0, 0, 23.5, 46.0, 23.5, 0]
    assert column(work, "price", "$") == [0, 0, 0, 92.0, 47.0, 0]
    assert column(work, "simulation", "s") == [0.5, 0.5, 0, 0, 0, 0]
    # 46 + 23.5 s on the device at $2; the stand-in's 23.5 s cost nothing.
    assert "69.5 s of a QPU, $139.00. Local stand-ins would have billed 23.5 s." in finding.answer
    assert "The runs took 152 circuits and 229,376 shots" in finding.answer


def test_what_this_report_played_is_counted_apart(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    scope = Scope((run,), tmp_path / "report", DEVICE)
    costs = [
        {"circuits": 100, "shots": 6400, "seconds": 1.5},
        {"circuits": 20, "shots": 0, "seconds": 2},
    ]
    for latents, cost in enumerate(costs, start=1):
        condition = Condition(run, NOISELESS, latents)
        facts_path(scope, condition).parent.mkdir(parents=True, exist_ok=True)
        facts = {**condition.facts, "backend": {"backend": "aer"}, "cost": {"forward": cost}}
        write_json(facts_path(scope, condition), facts)
    finding = analysed(scope)
    row = table_of(finding, "work").rows[-1]
    assert row == ("this report", "policies played", 120, 6400, 0, 0, 0, 3.5)
    assert "for this report took 120 circuits and 6,400 shots: no time on a QPU." in finding.answer


def test_updates_of_a_simulated_training_add_up(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    more = {"circuits": 8, "shots": 512, "seconds": 0.25, "jobs": 0, "qpu_seconds": 0.0}
    run.append_metrics({"update": 2, "cost": {"forward": more}})
    rows = table_of(analysed(Scope((run,), tmp_path / "report", DEVICE)), "work").rows
    assert rows[0] == ("run", "training, forward", 20, 512, 0, 0, 0, 0.75)
    assert rows[1] == ("run", "training, weights", 12, 0, 0, 0, 0, 0.5)


@pytest.mark.parametrize("backend", ["ibm_fez", "fake_fez"])
def test_a_training_on_a_device_is_billed_and_not_simulated(tmp_path: Path, backend: str) -> None:
    run = made_up_run(tmp_path, "run", backend={"name": backend}, hardware={"price": 3.0})
    cost = {"circuits": 5, "shots": 50, "seconds": 900.0, "jobs": 2, "qpu_seconds": 4.0}
    run.append_metrics({"update": 2, "cost": {"rollout": cost}})
    finding = analysed(Scope((run,), tmp_path / "report", DEVICE))
    [row] = [row for row in table_of(finding, "work").rows if row[1] == "training, rollout"]
    price = 12.0 if backend == "ibm_fez" else 0.0
    assert row[2:] == (5, 50, 2, 4.0, price, 0.0)


def test_a_device_is_listed_once_however_often_it_was_played(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    scope = Scope((run,), tmp_path / "report", DEVICE)
    words = {"backend": "aer_noisy", "calibration": "2025-01-01 (abc)", "device": DEVICE}
    for latents in (1, 2):
        condition = Condition(run, NOISELESS, latents)
        facts_path(scope, condition).parent.mkdir(parents=True, exist_ok=True)
        write_json(facts_path(scope, condition), {**condition.facts, "backend": words})
    [row] = table_of(analysed(scope), "snapshots").rows
    assert row[:2] == (DEVICE, "2025-01-01 (abc)")


def test_the_training_is_quoted_on_a_device_by_every_rule(tmp_path: Path) -> None:
    run = made_up_run(tmp_path, "run")
    finding = analysed(Scope((run,), tmp_path / "report", DEVICE))
    table, config = table_of(finding, "training_on_a_device"), run.config
    rules = column(table, "gradient rule")
    assert rules == ["shift", "pruned", "spsa", "model", "frozen"]
    steps, ppo, latents = config.environment.steps, config.ppo, config.evaluation.latents
    # frozen: a job per step of every update, and of the evaluation; 2 s, and 0.35 ms a shot.
    jobs = steps * (ppo.updates + 1)
    circuits = steps * (ppo.updates * ppo.environments + latents)
    assert column(table, "jobs")[4] == jobs and column(table, "circuits")[4] == circuits
    seconds = 2 * jobs + 0.00035 * 1024 * circuits
    assert column(table, "at most", "s")[4] == pytest.approx(seconds)
    assert column(table, "price at most", "$")[4] == pytest.approx(1.6 * seconds)
    [verdict] = finding.verdict
    assert verdict.line == "training_cost" and verdict.estimate is not None
    assert verdict.estimate.value == column(table, "at most", "s")[0]
    assert "by parameter shift at 1024 shots" in verdict.words
