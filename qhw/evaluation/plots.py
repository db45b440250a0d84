"""The pictures a run leaves behind."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from qhw.files import make_folder, replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

PER_ROW = 8
BLUE, ORANGE = "#0072b2", "#d55e00"
"""Two colours of the colour-blind safe Okabe-Ito palette."""


def picture_grid(path: Path, panels: dict[str, Tensor], titles: Sequence[str]) -> None:
    """Save pictures (N, c, h, w) in [0, 1], one panel per arm, one above the other.

    Args:
        path: A PNG.
        panels: Arm to its pictures, the same latent in the same place.
        titles: (N,) the wanted class of every picture.
    """
    columns = min(PER_ROW, len(titles))
    rows = -(-len(titles) // columns)
    figure = figure_of(1.25 * columns, (1.5 * rows + 0.3) * len(panels))
    parts = figure.subfigures(len(panels), 1, squeeze=False)[:, 0]
    for part, (name, images) in zip(parts, panels.items(), strict=True):
        part.suptitle(name, fontweight="bold")
        grid = part.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            axes.axis("off")
        for axes, image, title in zip(grid, images, titles, strict=False):
            pixels = image.permute(1, 2, 0).squeeze(-1).cpu().numpy()  # (h, w) or (h, w, 3)
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title, fontsize=8)
    save_figure(figure, path, dpi=150)


def single_pictures(folder: Path, panels: dict[str, Tensor], titles: Sequence[str]) -> None:
    """Save coloured pictures (N, 3, h, w) in [0, 1] one by one, as `ARM/NUMBER-CLASS.png`.

    Args:
        folder: Made if it is not there.
        panels: Arm to its pictures.
        titles: (N,) the wanted class of every picture.
    """
    for name, images in panels.items():
        arm = folder / name.replace(" ", "-")
        make_folder(arm)
        for place, (image, title) in enumerate(zip(images, titles, strict=True)):
            pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG")
            word = "".join(letter if letter.isalnum() else "-" for letter in title)
            replace_file(arm / f"{place:03d}-{word}.png", buffer.getvalue())


def guidance_traces(path: Path, guidance: Tensor, constant: float) -> None:
    """Save the guidance (T, N) of every picture over the steps, their mean, and a constant."""
    figure = figure_of(6.4, 4.0)
    axes = figure.add_subplot()
    steps = np.arange(1, len(guidance) + 1)
    axes.plot(steps, guidance.numpy(), color=BLUE, alpha=0.3, linewidth=1)
    axes.plot(steps, guidance.mean(dim=1).numpy(), color=BLUE, linewidth=2.5, label="policy, mean")
    axes.axhline(constant, color=ORANGE, linestyle="--", label=f"best constant {constant:g}")
    axes.set_xlabel("denoising step")
    axes.set_ylabel("guidance scale g")
    axes.legend()
    save_figure(figure, path, dpi=150)


def save_figure(figure: Figure, path: Path, **options: Any) -> None:
    """Write a figure in one step, in the format that the file's name ends with.

    Args:
        figure: It.
        path: A PNG or an SVG.
        options: Of matplotlib's `savefig`.

    Raises:
        OutputError: If the disk refuses; what was there stays.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix("."), **options)
    replace_file(path, buffer.getvalue())


def figure_of(width: float, height: float) -> Figure:
    """An empty figure of so many inches that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
