"""qhw: hardware-in-the-loop quantum experiments on guided diffusion.

What a Python user needs, by name; each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusion.bundle import load_bundle as load_model
    from qhw.backends.opening import open_backend
    from qhw.budget.planning import plan_run, plan_training
    from qhw.commands.compare import ComparisonRequest
    from qhw.commands.compare import compare_runs as compare
    from qhw.commands.evaluate import evaluate_run as evaluate
    from qhw.commands.plot import draw_training as plot
    from qhw.commands.run import DeploymentRequest
    from qhw.commands.run import deploy as run
    from qhw.commands.train import train
    from qhw.config import BackendConfig, HardwareConfig, RunConfig, load_config, parse_config
    from qhw.controllers.controller import Controller, load_controller
    from qhw.controllers.exporting import export_controller
    from qhw.devices.opening import Requester, open_device
    from qhw.errors import QhwError
    from qhw.known import open_snapshot
    from qhw.runs.directory import RunDirectory, list_runs, open_run
    from qhw.runs.settings import settings_on_backend

__version__ = "0.1.0"

__all__ = [
    "BackendConfig",
    "ComparisonRequest",
    "Controller",
    "DeploymentRequest",
    "HardwareConfig",
    "QhwError",
    "Requester",
    "RunConfig",
    "RunDirectory",
    "compare",
    "evaluate",
    "export_controller",
    "list_runs",
    "load_config",
    "load_controller",
    "load_model",
    "open_backend",
    "open_device",
    "open_run",
    "open_snapshot",
    "parse_config",
    "plan_run",
    "plan_training",
    "plot",
    "run",
    "settings_on_backend",
    "train",
]

_NAMES = {
    "diffusion.bundle": "load_model",
    "qhw.backends.opening": "open_backend",
    "qhw.budget.planning": "plan_run plan_training",
    "qhw.commands.compare": "ComparisonRequest compare",
    "qhw.commands.evaluate": "evaluate",
    "qhw.commands.plot": "plot",
    "qhw.commands.run": "DeploymentRequest run",
    "qhw.commands.train": "train",
    "qhw.config": "BackendConfig HardwareConfig RunConfig load_config parse_config",
    "qhw.controllers.controller": "Controller load_controller",
    "qhw.controllers.exporting": "export_controller",
    "qhw.devices.opening": "Requester open_device",
    "qhw.errors": "QhwError",
    "qhw.known": "open_snapshot",
    "qhw.runs.directory": "RunDirectory list_runs open_run",
    "qhw.runs.settings": "settings_on_backend",
}
_THERE = {
    "compare": "compare_runs",
    "evaluate": "evaluate_run",
    "load_model": "load_bundle",
    "plot": "draw_training",
    "run": "deploy",
}
"""What a name of the face is called in its module, where that differs."""

# Threads that spin while they wait make a batch of pictures three times slower than one thread as
# soon as anything else wants the cores. OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> object:
    """Import a name of the face."""
    for module, names in _NAMES.items():
        if name in names.split():
            return getattr(importlib.import_module(module), _THERE.get(name, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
