"""Accuracy against Frechet distance of every arm, in every eye.

    python -m benchmarks.frontier

Draws docs/images/frontier.png out of what `benchmarks.seeds` kept (`benchmarks.outcomes`) and the
default setting's baselines; constants are a line, controllers one point per training seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from benchmarks.seeds import LATENTS, RING, all_kept
from qhw.config import parse_config
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.training.player import Player

PICTURE = Path(__file__).resolve().parents[1] / "docs/images/frontier.png"
SHOWN = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5)
"""Constants of the line; beyond them both figures only grow."""
STYLES: dict[str, dict[str, Any]] = {
    RING: {"color": "tab:blue", "marker": "o"},
    "ring, not entangled": {"color": "tab:cyan", "marker": "^"},
    "ring, frozen at random": {"color": "tab:red", "marker": "v"},
    "matched MLP": {"color": "tab:green", "marker": "s"},
}


def point(outcome: Outcome, eye: str) -> tuple[float, float]:
    """Accuracy and Frechet distance."""
    arm = outcome.scores[eye].arm
    return float(arm.correct.mean()), arm.distance


def draw(axes: Axes, eye: str, baselines: Baselines, kept: dict[str, list[Outcome]]) -> None:
    """One eye's panel."""
    constants = [each for each in baselines.constants() if each.candidate.low in SHOWN]
    line = [point(each.outcome, eye) for each in constants]
    axes.plot(*zip(*line, strict=True), color="0.5", marker=".", label="constants", zorder=1)
    for each, at in zip(constants, line, strict=True):
        axes.annotate(
            f"{each.candidate.low:g}", at, (3, -9), textcoords="offset points", fontsize=7
        )
    for name, outcomes in kept.items():
        points = [point(outcome, eye) for outcome in outcomes]
        scatter(axes, points, name, STYLES[name])
    scatter(axes, [point(baselines.rule().outcome, eye)], "rule", {"color": "k", "marker": "D"})
    greedy = [point(baselines.greedy().outcome, eye)]
    scatter(axes, greedy, "greedy feedback", {"color": "tab:orange", "marker": "P"})
    axes.set(title=ALL_EYES[eye].title, xlabel="accuracy", ylabel="Frechet distance")


def scatter(
    axes: Axes, points: Sequence[tuple[float, float]], label: str, style: dict[str, Any]
) -> None:
    """One arm's points."""
    accuracies, distances = zip(*points, strict=True)
    axes.scatter(accuracies, distances, alpha=0.7, label=label, zorder=2, **style)


def main() -> None:
    """Draw the picture."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    player = Player(parse_config({}))
    paired = evaluation_latents(player.bundle, LATENTS)
    baselines = Baselines.of(player, Judges(player.bundle), paired)
    figure, panels = plt.subplots(2, 2, figsize=(9, 7.5), layout="constrained")
    for axes, eye in zip(panels.flat, ALL_EYES, strict=True):
        draw(axes, eye, baselines, all_kept())
    panels.flat[0].legend(fontsize=8)
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
