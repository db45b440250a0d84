from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policy import ExpectationBackend
from qhw.commands.train import describe
from qhw.config import parse_config
from qhw.controllers.exporting import export_controller
from qhw.runs.directory import RunDirectory, create_run
from qhw.training.trainer import Trainer

SETTINGS: dict[str, Any] = {
    "ppo": {"updates": 1, "environments": 8, "actor_rate": 0.05},
    "environment": {"steps": 3, "solver": "ddim-trailing"},
}


def trained_once(
    root: Path, name: str, settings: dict[str, Any], backend: ExpectationBackend | None = None
) -> RunDirectory:
    """A run of one update that was never evaluated."""
    run = create_run(root, parse_config(settings), name)
    trainer = Trainer.of(run, backend)
    run.begin(trainer.checkpoint(), describe(trainer))
    trainer.advance()
    run.save_checkpoint(trainer.checkpoint())
    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A ring under a device's noise, whose head is not at its start any more."""
    return trained_once(tmp_path_factory.mktemp("runs"), "small", SETTINGS)


@pytest.fixture(scope="session")
def exported(trained: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "controller"
    export_controller(trained, folder)
    return folder
