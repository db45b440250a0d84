"""The same perturbation on circuit and network, on planted returns and in real plays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.runs.directory import RunDirectory
from qhw.studies.measured import exact_features, visited_states
from qhw.studies.measured.conditions import NOISELESS, Condition, Setting, played
from qhw.studies.questions.baselines import (
    GAUSSIAN,
    MATCHED,
    NOISE,
    STILL,
    UNTRAINED,
    Baselines,
    _arms,
    _spread_file,
)
from qhw.studies.sizes import Sizes
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import assert_mean, column, table_of, value_of
from tests.qhw.studies.conftest import Train, made_up_run, pretend
from tests.qhw.studies.made_up import DEVICE, said

LATENTS, STATES = 30, 16
SIZES = Sizes(states=STATES, part_latents=LATENTS)
Loses = Callable[[str], float]


def companions(root: Path) -> tuple[RunDirectory, ...]:
    runs = []
    for seed in (1, 2):
        runs.append(made_up_run(root, f"frozen{seed}", seed=seed, gradient={"rule": "frozen"}))
        network = {"kind": "mlp_matched"}
        runs.append(made_up_run(root, f"network{seed}", seed=seed, actor=network))
    return tuple(runs)


def plant(scope: Scope, rng: np.random.Generator, loses: Loses) -> dict[str, Any]:
    """Changes (S, N) by arm, as large as `loses` says."""
    ideal = rng.uniform(-0.8, 0.8, (len(scope.runs), STATES, 3))
    for row, run in enumerate(scope.runs):
        arrays: dict[str, Any] = {name: np.ones(STATES) for name in ("mu", "sigma", "guidance")}
        arrays |= {"ideal": ideal[row], "angles": np.zeros((STATES, 6)), "weights": np.zeros(12)}
        arrays["sensitivity"] = np.ones((STATES, 3))
        scope.store("visited").keep(visited_states._file(scope, run), arrays)
    file = exact_features._file(scope, Setting(DEVICE))
    scope.store(exact_features.STUDY).keep(file, {"values": ideal * 0.9})
    for run in scope.companions:
        if run.config.actor.kind == "mlp_matched":
            spread: dict[str, Any] = {"spread": np.linspace(0.5, 1.5, 6)}
            scope.store("baselines").keep(_spread_file(scope, run), spread)
    changes: dict[str, Any] = {}
    base = rng.standard_normal(LATENTS)
    for arm in _arms(scope):
        jitter = 0.002 * rng.standard_normal((len(arm.pairs), LATENTS))
        changes[arm.name] = jitter - loses(arm.name)
        for (plain, disturbed), change in zip(arm.pairs, changes[arm.name], strict=True):
            pretend(scope, plain, base)
            pretend(scope, disturbed, base + change)
    return changes


def test_changes_are_those_that_were_planted(seeds: Any, tmp_path: Path, rng: Any) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, SIZES, companions=companions(tmp_path / "beside"))
    lost = {NOISE: 0.01, GAUSSIAN: 0.02, STILL: 0.3, MATCHED: 0.02, UNTRAINED: 0.05}
    changes = plant(scope, rng, lambda arm: lost[arm])
    finding = Baselines().analyse(scope)
    table = table_of(finding, "baselines")
    assert column(table, "controller") == [NOISE, GAUSSIAN, STILL, MATCHED, UNTRAINED]
    for name, cell in zip(column(table, "controller"), column(table, "change"), strict=True):
        if name in (NOISE, GAUSSIAN, STILL):
            assert_mean(cell, changes[str(name)])
        assert value_of(cell) == pytest.approx(changes[str(name)].mean())
    assert "nothing shows it to be the circuit's" in said(finding)


@pytest.mark.parametrize(
    ("network", "words"),
    [(0.1, "more than the head is robust"), (0.001, "its robustness is not the circuit's")],
)
def test_whose_the_robustness_is(
    seeds: Any, tmp_path: Path, rng: Any, network: float, words: str
) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, SIZES, companions=companions(tmp_path / "beside"))
    plant(scope, rng, lambda arm: network if arm == MATCHED else 0.02)
    assert words in said(Baselines().analyse(scope))


def test_what_is_not_there_is_said_to_be_absent(seeds: Any, tmp_path: Path, rng: Any) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, SIZES)
    plant(scope, rng, lambda _: 0.01)
    finding = Baselines().analyse(scope)
    assert "Without a matched network it is not told" in said(finding)
    for typed in ("qhw train --actor mlp_matched", "qhw train --gradient frozen"):
        assert any(typed in note for note in finding.notes)


def test_noise_is_as_large_as_the_devices(seeds: Any, tmp_path: Path, rng: Any) -> None:
    scope = Scope(seeds, tmp_path, DEVICE, SIZES, companions=companions(tmp_path / "beside"))
    plant(scope, rng, lambda _: 0.01)
    arms = {arm.name: arm for arm in _arms(scope)}
    ideal = exact_features.ideal_values(scope)
    error = 0.1 * ideal
    for row, (_, disturbed) in enumerate(arms[GAUSSIAN].pairs):
        wanted = np.sqrt(np.square(error[row]).mean(axis=0))
        assert disturbed.setting.jitter == pytest.approx(wanted, abs=1e-6)
    share = np.sqrt(np.square(error).mean() / ideal.var(axis=1).mean())
    for _, disturbed in arms[MATCHED].pairs:
        assert disturbed.setting.jitter == pytest.approx(share * np.linspace(0.5, 1.5, 6), abs=1e-6)
    for row, (_, disturbed) in enumerate(arms[STILL].pairs):
        assert disturbed.setting.held == pytest.approx(ideal[row].mean(axis=0), abs=1e-6)


@pytest.mark.slow  # 40 s: trains a network and plays six conditions
def test_ring_and_network_are_really_disturbed(trained_tiny: Train, tmp_path: Path) -> None:
    ring = trained_tiny("noiseless")
    network = trained_tiny("network", actor={"kind": "mlp_matched"})
    sizes = dataclasses.replace(SIZES, part_latents=20)
    scope = Scope((ring,), tmp_path, DEVICE, sizes, companions=(network,))
    Baselines().acquire(scope)
    table = table_of(Baselines().analyse(scope), "baselines")
    assert column(table, "controller") == [NOISE, GAUSSIAN, STILL, MATCHED]
    for arm in _arms(scope):
        for plain, disturbed in arm.pairs:
            assert plain.setting == NOISELESS
            moved = played(scope, disturbed).guidance - played(scope, plain).guidance
            assert np.abs(moved).max() > 1e-6, arm.name
    still = next(arm for arm in _arms(scope) if arm.name == STILL).pairs[0][1]
    guidance = played(scope, Condition(ring, still.setting, 20)).guidance
    assert np.ptp(guidance) < 1e-6, "a head that reads one thing does one thing"
