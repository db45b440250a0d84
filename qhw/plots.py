"""The pictures a run leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_ROW = 8
BLUE, ORANGE = "#0072b2", "#d55e00"
"""Two colours of the colour-blind safe Okabe-Ito palette."""


def picture_grid(path: Path, panels: dict[str, Tensor]) -> None:
    """Save pictures (N, c, h, w) in [0, 1], one panel per arm, same latent in the same place."""
    figure = _figure(5.0 * len(panels), 5.2)
    for index, (name, images) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), index + 1)
        axes.imshow(_tile(images), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name)
        axes.axis("off")
    figure.savefig(path, dpi=150)


def guidance_traces(path: Path, guidance: Tensor, constant: float) -> None:
    """Save the guidance (T, N) of every picture over the steps, their mean, and a constant."""
    figure = _figure(6.4, 4.0)
    axes = figure.add_subplot()
    steps = np.arange(1, len(guidance) + 1)
    axes.plot(steps, guidance.numpy(), color=BLUE, alpha=0.3, linewidth=1)
    axes.plot(steps, guidance.mean(dim=1).numpy(), color=BLUE, linewidth=2.5, label="policy, mean")
    axes.axhline(constant, color=ORANGE, linestyle="--", label=f"best constant {constant:g}")
    axes.set_xlabel("denoising step")
    axes.set_ylabel("guidance scale g")
    axes.legend()
    figure.savefig(path, dpi=150)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _tile(images: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Lay pictures out in rows; (rows h, columns w) or with three colour channels."""
    count, channels, height, width = images.shape
    columns = min(PER_ROW, count)
    rows = -(-count // columns)
    padded = images.new_zeros(rows * columns, channels, height, width)
    padded[:count] = images
    grid = padded.reshape(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    tiled = grid.reshape(rows * height, columns * width, channels).squeeze(-1)
    array: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = tiled.cpu().numpy()
    return array
