"""Tiny trained runs, and reports on them whose numbers are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from qhw.commands.train import train_run
from qhw.config import merge, parse_config
from qhw.evaluation.eyes import EYES
from qhw.files import write_json
from qhw.runs.directory import RunDirectory, create_run
from qhw.studies.measured.conditions import (
    LIKENESS,
    BaselineCondition,
    Condition,
    facts_path,
    path_of,
)
from qhw.studies.sizes import Sizes
from qhw.studies.store import write_arrays
from qhw.studies.study import Scope

TINY: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer"},
    "environment": {"steps": 3},
    "ppo": {"updates": 1, "environments": 4, "epochs": 1, "minibatches": 2},
    "evaluation": {"latents": 20},
}
LATENTS = 40


def tiny_settings(changes: dict[str, Any]) -> dict[str, Any]:
    """`TINY` with settings laid over it; without a circuit for a classical actor."""
    if changes.get("actor", {}).get("kind", "ring") == "ring":
        return merge(TINY, changes)
    plain = {name: table for name, table in TINY.items() if name not in ("actor", "backend")}
    return merge(plain, changes)


FEW_LATENTS = Sizes(latents=LATENTS)

Train = Callable[..., RunDirectory]
Returns = Callable[[Condition | BaselineCondition], NDArray[np.float64]]


@pytest.fixture(scope="session")
def trained_tiny(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train tiny runs, each once per session; settings are laid over `TINY`."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("tiny")
    made: dict[str, RunDirectory] = {}

    def train(name: str, **changes: Any) -> RunDirectory:
        if name not in made:
            made[name] = create_run(root, parse_config(tiny_settings(changes)), name)
            train_run(made[name])
        return made[name]

    return train


@pytest.fixture
def tiny(trained_tiny: Train) -> RunDirectory:
    return trained_tiny("noiseless")


def made_up_run(root: Path, name: str, **changes: Any) -> RunDirectory:
    """A run that says it was trained: enough for whatever reads files alone."""
    config = parse_config(tiny_settings(changes))
    run = create_run(root, config, name)
    for update in (0, 1):
        (run.path / "checkpoints" / f"{update:05d}").mkdir(parents=True)
    facts = {"seed": config.seed, "gradient_rule": "shift"}
    run.write_provenance({**facts, "bundle": {"name": "made up", "digest": "d" * 64}})
    cost = {"circuits": 12, "shots": 0, "seconds": 0.5, "jobs": 0, "qpu_seconds": 0.0}
    costs = {"forward": cost, "weights": cost}
    run.append_metrics({"update": 1, "cost": costs, "approximate_kl": 0.01})
    return run


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))


def pretend(
    scope: Scope, condition: Condition | BaselineCondition, returns: NDArray[np.float64]
) -> None:
    """Write a condition's files with these returns (N,), as if it had been played."""
    count = len(returns)
    ones = np.ones(count)
    columns: dict[str, NDArray[np.float64]] = {"returns": returns, "guidance": 2 * ones}
    for eye in EYES:
        columns[f"{eye}/log_probability"] = -0.1 * ones
        columns[f"{eye}/correct"] = ones
        columns[f"{eye}/effect"] = 0 * ones
        columns[f"{eye}/frechet"] = np.array(2.0)
    for name in LIKENESS:
        columns[name] = ones
    columns["pictures"] = np.zeros((8, 1, 16, 16))
    told = {"name": "constant 1.74, best", "shown": ["bag"] * 8}
    backend = {"calibration": "2025-01-01 (abc)", "device": "d", "noise caps": "none"}
    path_of(scope, condition).parent.mkdir(parents=True, exist_ok=True)
    write_json(facts_path(scope, condition), {**condition.facts, **told, "backend": backend})
    write_arrays(path_of(scope, condition), columns)
