"""`qhw plot`: how a run's training went, as a picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qhw.console.output import show
from qhw.console.tables import from_here
from qhw.errors import UnknownNameError
from qhw.evaluation.arms import Arms
from qhw.evaluation.training_plot import training_plot
from qhw.files import make_folder
from qhw.runs.directory import RunDirectory

STEM = "training"


def plot_run(run: RunDirectory, out: Path | None) -> None:
    """Draw a run's training and say where the picture is.

    Args:
        run: A run with at least one update.
        out: Folder of the picture; the run's own by default.

    Raises:
        UnknownNameError: If nothing was trained yet.
    """
    files = [str(from_here(file)) for file in draw_training(run, out)]

    def print_it(console: Console) -> None:
        for file in files:
            console.print(file, soft_wrap=True)

    show({"run": run.name, "files": files}, print_it)


def draw_training(run: RunDirectory, out: Path | None = None) -> list[Path]:
    """The same without a word; returns the files."""
    metrics = run.metrics()
    if not metrics:
        raise UnknownNameError(
            f"{from_here(run.path)} has no update to draw.", f"`qhw train --resume {run.name}`."
        )
    folder = out or run.path / "plots"
    make_folder(folder)
    return training_plot(folder / STEM, metrics, _title(run), _returns(run))


def _title(run: RunDirectory) -> str:
    config = run.config
    actor = config.actor.kind
    where = f" on {config.backend.name}" if actor == "ring" else ""
    return f"{run.name}: {actor}{where}, seed {config.seed}"


def _returns(run: RunDirectory) -> dict[str, float]:
    """Mean returns of the best constant, the rule and greedy feedback, if they were played."""
    evaluation = run.evaluation
    if evaluation is None:
        return {}
    arms = Arms.read(evaluation)
    shown = [arm for arm in (arms.constant, arms.rule, arms.greedy) if arm is not None]
    return {arm["name"]: arm["mean_return"]["estimate"] for arm in shown}
