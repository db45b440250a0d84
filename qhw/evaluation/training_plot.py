"""How a training went, as one picture: return, guidance, sigma, KL, clipping, gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qhw.evaluation.plots import BLUE, ORANGE, figure_of, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENTROPY_OF_UNIT_SIGMA = 0.5 * math.log(2 * math.pi * math.e)
"""Entropy of a normal distribution of sigma 1, nats; ln sigma is what an entropy has beyond it."""
FORMATS = ("png", "svg")
KEPT = 0.9
"""Share of the running mean that stays at each update of the smoothed curve."""


def training_plot(
    stem: Path, metrics: Sequence[dict[str, Any]], title: str, returns: dict[str, float]
) -> list[Path]:
    """Save the picture, once for each of `FORMATS`.

    Args:
        stem: Its path without an ending.
        metrics: The lines of `metrics.jsonl`, at least one.
        title: Stands above.
        returns: Mean returns of other guidance by its name, drawn beside the learning curve.

    Returns:
        The files.
    """
    figure = figure_of(11.0, 6.2)
    figure.suptitle(title)
    panels = figure.subplots(2, 3).ravel()
    updates = np.array([record["update"] for record in metrics])
    _returns(panels[0], updates, metrics, returns)
    _guidance(panels[1], metrics)
    sigma = [math.exp(record["entropy"] - ENTROPY_OF_UNIT_SIGMA) for record in metrics]
    _curve(panels[2], updates, sigma, "sigma of the actions")
    for axes, name, told in zip(
        panels[3:],
        ("approximate_kl", "clip_fraction", "circuit_gradient_norm"),
        ("KL of the last pass", "share of clipped ratios", "norm of the circuit's gradient"),
        strict=True,
    ):
        _curve(axes, updates, [record[name] for record in metrics], told)
    files = [stem.with_suffix(f".{ending}") for ending in FORMATS]
    for file in files:
        save_figure(figure, file, dpi=150)
        figure.set_layout_engine("none")  # laid out once: that takes as long as drawing
    return files


def _returns(
    axes: Axes,
    updates: np.ndarray[Any, Any],
    metrics: Sequence[dict[str, Any]],
    others: dict[str, float],
) -> None:
    values = [record["mean_return"] for record in metrics]
    axes.plot(updates, values, color=BLUE, alpha=0.35, linewidth=1)
    axes.plot(updates, smoothed(values), color=BLUE, linewidth=2, label="policy, with its noise")
    for (name, value), style in zip(others.items(), ("--", ":", "-."), strict=False):
        axes.axhline(value, color=ORANGE, linestyle=style, label=name)
    axes.legend(fontsize=8)
    _label(axes, "update", "return of the rollouts")


def _guidance(axes: Axes, metrics: Sequence[dict[str, Any]]) -> None:
    """Mean guidance over the steps, at the beginning and at the end of training."""
    by_step = [record["guidance_by_step"] for record in metrics if "guidance_by_step" in record]
    if not by_step:
        axes.text(0.5, 0.5, "not recorded by the version\nthat trained this run", ha="center")
    else:
        steps = np.arange(1, len(by_step[0]) + 1)
        axes.plot(steps, by_step[0], color=ORANGE, label="first update")
        axes.plot(steps, by_step[-1], color=BLUE, label="last update")
        axes.legend(fontsize=8)
    _label(axes, "denoising step", "mean guidance scale g")


def _curve(
    axes: Axes, updates: np.ndarray[Any, Any], values: Sequence[float | None], told: str
) -> None:
    measured = np.array([np.nan if value is None else value for value in values], dtype=float)
    if np.isfinite(measured).any():
        axes.plot(updates, measured, color=BLUE)
    else:
        axes.text(0.5, 0.5, "none: no circuit is trained", ha="center")
    _label(axes, "update", told)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def smoothed(values: Sequence[float]) -> list[float]:
    """An exponential running mean, without a bias towards its beginning (Adam's correction)."""
    mean, curve = 0.0, []
    for count, value in enumerate(values, start=1):
        mean = KEPT * mean + (1 - KEPT) * value
        curve.append(mean / (1 - KEPT**count))
    return curve
