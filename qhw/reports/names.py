"""Names of series and references: at the ends of lines where they fit, else beside the axes.

Neither place is inside the axes, so no name ever covers data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from qhw.reports.canvas import LETTER, POINTS, WIDE, Canvas
from qhw.reports.marks import columns
from qhw.reports.scales import Scale
from qhw.reports.style import LIGHT, REFERENCE_DASHES, colour
from qhw.studies.finding import Figure, Reference

MOST_ENDS, LONGEST_END = 7, 26
HANDLE = 32.0
"""Points that a legend's sample and its gap take."""


def draw_references(axes: Any, figure: Figure, scale: Scale, flat: bool) -> None:
    """Draw straight dashed lines at the references' values."""
    for index, reference in enumerate(figure.references):
        upright = (reference.axis == "x") != flat
        at = scale.place(reference.value) if reference.axis == "x" else reference.value
        draw = axes.axvline if upright else axes.axhline
        draw(at, color=LIGHT.muted, linewidth=1.2, linestyle=_dashes(index), zorder=1.5)


def names_fit_at_ends(figure: Figure, canvas: Canvas) -> bool:
    """Whether every name can stand to the right of its line."""
    names = _names(figure)
    return (
        figure.kind == "lines"
        and canvas.width >= WIDE.width
        and len(names) <= MOST_ENDS
        and max(map(len, names)) <= LONGEST_END
    )


def draw_ends(axes: Any, figure: Figure, scale: Scale, canvas: Canvas) -> None:
    """Write each name to the right of the axes, tied to its line by a thin leader."""
    ends = [_end(axes, *columns(series, scale)[:2]) for series in figure.named]
    right = axes.get_xlim()[1]
    ends += [(right, reference.value) for reference in _level(figure)]
    colours = [colour(index) for index in range(len(figure.named))]
    colours += [LIGHT.muted] * len(_level(figure))
    places = axes.transAxes.inverted().transform(axes.transData.transform(ends))
    heights = [float(height) for height in places[:, 1]]
    gap = 1.25 * canvas.text / (POINTS * axes.figure.get_figheight() * 0.78)
    for name, end, shade, height in zip(
        _names(figure), ends, colours, spread(heights, gap), strict=True
    ):
        axes.annotate(
            name, end, xytext=(1.035, height), textcoords="axes fraction", va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": shade, "linewidth": 0.9, "shrinkA": 1,
                        "shrinkB": 3, "relpos": (0, 0.5)},
        )  # fmt: skip


def draw_legend(sheet: Any, axes: Any, figure: Figure, canvas: Canvas, at_ends: bool) -> None:
    """Write the names outside the axes; only upright references, if the others are at the ends."""
    handles, names = axes.get_legend_handles_labels()
    shown = [] if at_ends else list(zip(handles, names, strict=True))
    for index, reference in enumerate(figure.references):
        if reference.axis == "x" or not at_ends:
            line = Line2D([], [], color=LIGHT.muted, linewidth=1.2, linestyle=_dashes(index))
            shown.append((line, reference.name))
    if not shown:
        return
    wrapped = [canvas.wrap(name, 0.85) for _, name in shown]
    # The layout gives a legend above the axes the title's place.
    side = "lower" if canvas.titled else "upper"
    sheet.legend(
        [handle for handle, _ in shown], wrapped, loc=f"outside {side} left",
        ncols=_columns(wrapped, canvas), handlelength=1.8, columnspacing=1.4, borderaxespad=0.2,
    )  # fmt: skip


def legend_lines(figure: Figure, canvas: Canvas) -> int:
    """Lines of text that the legend takes, for the height of the sheet."""
    if figure.kind == "matrix" or names_fit_at_ends(figure, canvas):
        return int(any(reference.axis == "x" for reference in figure.references))
    names = [series.name for series in figure.named]
    names = [canvas.wrap(name, 0.85) for name in (*names, *(r.name for r in figure.references))]
    rows = -(-len(names) // _columns(names, canvas))
    return rows * max(name.count("\n") + 1 for name in names)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart until neighbours are a gap apart, between 0 and 1 if they fit there."""
    order = np.argsort(heights, kind="stable")
    placed = np.array(heights, dtype=np.float64)[order]
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + gap)
    ceiling = 1.0
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], ceiling)
        ceiling = placed[k] - gap
    result = np.empty_like(placed)
    result[order] = placed
    return [float(height) for height in result]


def _columns(names: Sequence[str], canvas: Canvas) -> int:
    """How many columns of the legend fit beside each other."""
    longest = max(len(line) for name in names for line in name.split("\n"))
    column = LETTER * canvas.text * longest + HANDLE
    return max(1, min(len(names), int(canvas.width * POINTS / column)))


def _names(figure: Figure) -> list[str]:
    """Names of the series and of the references that lie like them."""
    return [series.name for series in figure.named] + [each.name for each in _level(figure)]


def _level(figure: Figure) -> list[Reference]:
    return [reference for reference in figure.references if reference.axis == "y"]


def _end(axes: Any, x: Any, y: Any) -> tuple[float, float]:
    """The last point of a line; the lower right corner if it has none."""
    known = np.isfinite(y)
    if not known.any():
        return float(axes.get_xlim()[1]), float(axes.get_ylim()[0])
    last = int(np.argmax(np.where(known, x, -np.inf)))
    return float(x[last]), float(y[last])


def _dashes(index: int) -> Any:
    return REFERENCE_DASHES[index % len(REFERENCE_DASHES)]
