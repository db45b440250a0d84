"""`qhw runs`: what was trained, and what it gained."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qhw.console import listing
from qhw.evaluation.arms import Arms
from qhw.runs.directory import RunDirectory, list_runs


def print_runs(root: Path) -> None:
    """Print every run below `root` with its progress and its gain over the best constant."""
    runs = list_runs(root)
    if not runs:
        Console().print(f"No runs in {root}. `qhw train` makes one.")
        return
    table = listing("run", "actor", "backend", "updates", "gain over the best constant")
    for run in runs:
        config = run.config
        backend = config.backend.name if config.actor.kind == "ring" else "-"
        progress = f"{len(run.metrics())}/{config.ppo.updates}"
        table.add_row(run.name, config.actor.kind, backend, progress, _gain(run))
    Console().print(table)


def _gain(run: RunDirectory) -> str:
    if not (run.path / "evaluation.json").is_file():
        return "not evaluated"
    gain = Arms.of(run.read_json("evaluation.json")["rows"]).policy["gain"]
    return f"{gain['estimate']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
