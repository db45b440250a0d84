"""The noise by kind, on planted features and returns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import KINDS
from qhw.studies.finding import read_finding, write_finding
from qhw.studies.measured import exact_features, visited_states
from qhw.studies.measured.conditions import NOISELESS, Condition, Setting
from qhw.studies.measured.kinds import NOTHING, TITLES, ZZ_ANGLE, alone, with_coherent, without
from qhw.studies.questions.parts import Parts, _every, _played
from qhw.studies.sizes import Sizes
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import assert_mean, column, table_of, value_of
from tests.qhw.studies.conftest import Train, pretend
from tests.qhw.studies.made_up import DEVICE, said

LATENTS, STATES = 30, 16
SIZES = Sizes(states=STATES, part_latents=LATENTS, severities=(1.0, 4.0))
FULL = dataclasses.replace(SIZES, severe_returns=True)
Planted = dict[Setting, Any]
MOVES = {"two_qubit": 0.04, "one_qubit": 0.001, "decay": 0.02, "waiting": 0.03, "readout": 0.01}


def moved(setting: Setting) -> float:
    """Features move by the square root of the kinds' squares; the coherent error by .015."""
    kinds = [getattr(setting.severity, kind) * MOVES[kind] ** 2 for kind in KINDS]
    return float(np.sqrt(sum(kinds) + (0.015 * setting.zz_angle / ZZ_ANGLE) ** 2))


def plant(scope: Scope, rng: np.random.Generator) -> tuple[Planted, Planted]:
    """Exact features (S, N, n) and returns (S, N) of every setting; only two-qubit gates cost."""
    runs = len(scope.runs)
    ideal = rng.uniform(-0.8, 0.8, (runs, STATES, 3))
    for row, run in enumerate(scope.runs):
        names = ("mu", "sigma", "guidance")
        arrays = {name: rng.standard_normal(STATES) for name in names}
        arrays |= {"ideal": ideal[row], "angles": np.zeros((STATES, 6)), "weights": np.zeros(12)}
        arrays["sensitivity"] = np.ones((STATES, 3))
        scope.store("visited").keep(visited_states._file(scope, run), arrays)
    signs = rng.choice([-1.0, 1.0], ideal.shape)
    errors = {}
    for setting in _every(scope):
        errors[setting] = moved(setting) * signs * (1 + 0.1 * rng.standard_normal(ideal.shape))
        file = exact_features._file(scope, setting)
        scope.store(exact_features.STUDY).keep(file, {"values": ideal + errors[setting]})
    base, returns = rng.standard_normal(LATENTS), {}
    for setting in _played(scope):
        lost = 0.05 * setting.severity.two_qubit if setting.device else 0.0
        jitter = 0.002 * rng.standard_normal((runs, LATENTS))
        returns[setting] = base - lost + jitter
        for run, row in zip(scope.runs, returns[setting], strict=True):
            pretend(scope, Condition(run, setting, LATENTS), row)
    return errors, returns


def test_numbers_are_those_that_were_planted(seeds: Any, tmp_path: Path, rng: Any) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, SIZES)
    errors, returns = plant(scope, rng)
    table = table_of(Parts().analyse(scope), "parts")

    def rmse(setting: Setting) -> Any:
        return pytest.approx(float(np.sqrt(np.square(errors[setting]).mean())))

    whole = Setting(DEVICE)
    single = [whole, with_coherent(DEVICE), *(alone(DEVICE, kind) for kind in TITLES)]
    assert [value_of(cell) for cell in column(table, "RMSE alone")] == list(map(rmse, single))
    rest = column(table, "RMSE of the rest")
    assert [value_of(cell) for cell in rest[2:-1]] == [rmse(without(DEVICE, k)) for k in KINDS]
    costs = column(table, "return alone, minus no noise")
    assert_mean(costs[0], returns[whole] - returns[NOISELESS])
    for cell, kind in zip(costs[2:], TITLES, strict=True):
        assert_mean(cell, returns[alone(DEVICE, kind)] - returns[NOISELESS])
    regained = column(table, "return of the rest, minus everything")
    assert_mean(regained[1], returns[with_coherent(DEVICE)] - returns[whole])
    for cell, kind in zip(regained[2:-1], KINDS, strict=True):
        assert_mean(cell, returns[without(DEVICE, kind)] - returns[whole])


def test_the_kind_that_matters_is_named(seeds: Any, tmp_path: Path, rng: Any) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, SIZES)
    plant(scope, rng)
    finding = Parts().analyse(scope)
    answer = said(finding)
    assert "the largest part for the features is two-qubit gates: 0.0" in answer
    assert "One-qubit gates: the least" in answer
    assert "these change it (Holm): two-qubit gates -0.05" in answer
    assert "A coherent error of 0.025 rad, which is assumed" in answer
    assert any("`--full` plays every severity" in note for note in finding.notes)
    assert "severity_returns" not in [table.id for table in finding.tables]


def test_severities_have_a_mean_and_a_worst_kind(seeds: Any, tmp_path: Path, rng: Any) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, FULL)
    errors, returns = plant(scope, rng)
    finding = Parts().analyse(scope)
    *kinds, mean, worst = column(table_of(finding, "severity_errors"), "x 4")
    assert mean == pytest.approx(np.mean([value_of(cell) for cell in kinds]))
    assert worst == pytest.approx(2 * 0.04, rel=0.1)
    table = table_of(finding, "severity_returns")
    apart = [returns[alone(DEVICE, kind, 4.0)] - returns[NOISELESS] for kind in TITLES]
    *kinds, mean, worst = column(table, "x 4")
    for cell, expected in zip(kinds, apart, strict=True):
        assert_mean(cell, expected)
    assert_mean(mean, np.mean(apart, axis=0))
    assert_mean(worst, apart[0])
    assert "two-qubit gates at 4" in table.reading
    assert {figure.id for figure in finding.figures} >= {"severity_errors", "severity_returns"}
    assert len(errors) == len(_every(scope)) == len(set(_every(scope)))


def test_a_coherent_errors_infidelity_is_multiplied() -> None:
    setting = alone(DEVICE, "coherent", 4.0)
    assert setting.zz_angle == pytest.approx(2 * ZZ_ANGLE)
    assert setting.severity == NOTHING


@pytest.mark.slow  # 40 s: plays 14 conditions, and opens 19 more
def test_it_is_measured_and_comes_back(trained_tiny: Train, tmp_path: Path) -> None:
    run = trained_tiny("noiseless")
    scope = Scope((run,), tmp_path, DEVICE, dataclasses.replace(SIZES, part_latents=20))
    Parts().acquire(scope)
    finding = Parts().analyse(scope)
    assert read_finding(write_finding(tmp_path, finding)) == finding
    assert "One training seed allows no claim" in (finding.refusal or "")
    table = table_of(finding, "parts")
    everything, added, *kinds = [value_of(cell) for cell in column(table, "RMSE alone")]
    assert 0 < min(kinds) < everything < sum(kinds) and added != everything
    whole, readout = (
        exact_features.exact_values(scope, each)
        for each in (Setting(DEVICE), alone(DEVICE, "readout"))
    )
    assert not np.allclose(whole, readout)
