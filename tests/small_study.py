"""A study of two arms and trainings of seconds, as it is typed and as settings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from qhw.cli.app import app
from qhw.runs.settings import checked_training_settings
from qhw.studies.trained.catalogue import TrainedStudy

SMALL = TrainedStudy(
    "small", "Small?", {"ring": {}, "mlp": {"actor": {"kind": "mlp_matched"}}}, "ring"
)
TYPED: dict[str, Any] = {
    "ppo": {"updates": 1, "environments": 4},
    "backend": {"name": "aer"},
    "environment": {"steps": 2},
}
"""What `typed` types, as settings."""
checked = partial(checked_training_settings, config=None, preset="default", start_from=None)


def typed(folder: Path, *more: str) -> Result:
    """`qhw study small`, once the catalogue knows it."""
    line = (
        "study small --updates 1 --environments 4 --latents 20 --backend aer "
        f"--set environment.steps=2 --folder {folder} {' '.join(more)}"
    )
    return CliRunner().invoke(app, line.split())
