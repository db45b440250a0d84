"""`qhw runs`: what was trained, and what it gained."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qhw.console import listing
from qhw.evaluation.arms import Arms
from qhw.runs.directory import list_runs


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
        gain = "not evaluated"
        if (run.path / "evaluation.json").is_file():
            interval = Arms.read(run.read_json("evaluation.json")).policy["gain"]
            estimate, low, high = (f"{interval[name]:+.3f}" for name in ("estimate", "low", "high"))
            gain = f"{estimate} [{low}, {high}]"
        table.add_row(run.name, config.actor.kind, backend, progress, gain)
    Console().print(table)
