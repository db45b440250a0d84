"""The marks of a figure: lines with bands, bars with error bars, points, cells with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from qhw.reports.canvas import Canvas
from qhw.reports.numbers import MISSING, interval, number
from qhw.reports.scales import Scale
from qhw.reports.style import LIGHT, colour, marker
from qhw.studies.finding import Estimate, Figure, Series

FloatArray = NDArray[np.float64]

BAND = 0.16
"""Opacity of an interval's band."""
DODGE = 0.09
"""Distance between points of the same category."""
DEEPEST = 0.5
"""Opacity of the deepest cell: the text on it keeps a contrast of 4.5 in light and dark."""
CELLS = 0.74
"""Share of the width that a matrix's cells take beside the names of its rows."""
GROUP = 0.8
"""Share of a category's room that its bars take."""


def draw_lines(axes: Any, figure: Figure, scale: Scale) -> None:
    """Draw a line per series; intervals are bands over numbers, error bars over categories."""
    names = [series.name for series in figure.named]
    for part in figure.series[len(names) :]:
        x, y, *_ = columns(part, scale)
        order, shade = np.argsort(x, kind="stable"), colour(names.index(part.part_of))
        axes.plot(x[order], y[order], color=shade, linewidth=0.7, alpha=0.55)
    count = len(names)
    dodge = min(DODGE, 0.6 / count) if scale.categories else 0.0
    for index, series in enumerate(figure.named):
        shift = (index - (count - 1) / 2) * dodge
        x, y, low, high = columns(series, scale)
        order = np.argsort(x, kind="stable")
        x, y, low, high = x[order] + shift, y[order], low[order], high[order]
        style = {"color": colour(index), "marker": marker(index), "label": series.name}
        joined = _joined(x - shift, scale)
        edge = {"markeredgecolor": LIGHT.paper, "markeredgewidth": 0.6}
        axes.plot(x[joined], y[joined], **edge, **style)
        axes.plot(x[~joined], y[~joined], linestyle="none", **edge, **{**style, "label": None})
        lonely = np.ones(len(x), dtype=bool) if scale.categories else _lonely(low, high)
        axes.fill_between(x, low, high, where=~lonely, color=colour(index), alpha=BAND, linewidth=0)
        axes.errorbar(
            x[lonely], y[lonely], _lengths(y, low, high)[:, lonely], fmt="none",
            color=colour(index), elinewidth=1.2, capsize=2.5,
        )  # fmt: skip


def _joined(x: FloatArray, scale: Scale) -> NDArray[np.bool_]:
    """Which points a line joins: among categories that are numbers, not one that is a word.

    From 16,384 shots to `exact` is no distance, and a line would have a slope there.
    """
    named = [_is_number(name) for name in scale.categories]
    if not any(named):
        return np.ones(len(x), dtype=bool)
    places = np.rint(x).astype(int)
    return np.array([named[place] for place in places], dtype=bool)


def _is_number(name: str) -> bool:
    return name.replace(",", "").replace(".", "", 1).isdigit()


def draw_points(axes: Any, figure: Figure, scale: Scale) -> None:
    """Draw a row of points with their intervals per category, about a line at 0."""
    axes.axvline(0.0, color=LIGHT.ink, linewidth=1.0, zorder=1.6)
    count = lanes(figure)
    for index, series in enumerate(figure.series):
        x, y, low, high = columns(series, scale)
        place = x + (index - (count - 1) / 2) * GROUP / count if count > 1 else x
        axes.errorbar(
            y, place, xerr=_lengths(y, low, high), fmt=marker(index), color=colour(index),
            label=series.name, elinewidth=1.6, capsize=2.5, markeredgecolor=LIGHT.paper,
            markeredgewidth=0.6,
        )  # fmt: skip
        for missing in place[np.isnan(y)]:
            _tell_missing(axes, missing, flat=True)


def draw_bars(axes: Any, figure: Figure, scale: Scale, flat: bool) -> None:
    """Draw a group of bars per category, lying if flat; on a logarithmic axis they are points."""
    count = lanes(figure)
    thickness = GROUP / count
    for index, series in enumerate(figure.series):
        x, y, low, high = columns(series, scale)
        place = x + (index - (count - 1) / 2) * thickness if count > 1 else x
        along = {"xerr" if flat else "yerr": _lengths(y, low, high)}
        ends = (y, place) if flat else (place, y)
        style = {"color": colour(index), "label": series.name}
        if figure.y.log:
            axes.plot(*ends, marker=marker(index), linestyle="none", **style)
        else:
            draw = axes.barh if flat else axes.bar
            draw(place, np.nan_to_num(y), 0.9 * thickness, **style)
        axes.errorbar(*ends, **along, fmt="none", color=LIGHT.ink, elinewidth=1, capsize=2)
        for missing in place[np.isnan(y)]:
            _tell_missing(axes, missing, flat)


def lanes(figure: Figure) -> int:
    """Bars side by side in a category: one per series, or one where no two series share one."""
    places = [x for series in figure.series for x in dict.fromkeys(series.x)]
    return 1 if len(set(places)) == len(places) else len(figure.series)


def draw_cells(axes: Any, figure: Figure, scale: Scale, canvas: Canvas) -> None:
    """Draw a row of cells per series, each with its number and interval.

    Those below 0 take another colour; the deeper, the further from 0, so that cells which differ by
    little look alike.
    """
    values = [v for series in figure.series for v in series.y if v is not None]
    narrow = cells_are_narrow(figure, scale, canvas)
    for row, series in enumerate(figure.series):
        for k, value in enumerate(series.y):
            text = cell_text(series, k)
            text = text.replace(", ", ",\n") if narrow else text
            x, (shade, opacity) = scale.place(series.x[k]), _fill(value, values)
            corner = (x - 0.49, row - 0.47)
            axes.add_patch(
                Rectangle(corner, 0.98, 0.94, facecolor=shade, alpha=opacity, linewidth=0)
            )
            style = {"ha": "center", "va": "center", "linespacing": 1.25}
            axes.text(x, row, text, fontsize=canvas.text - 0.5, **style)
    axes.set_xlim(-0.5, len(scale.categories) - 0.5)
    axes.set_ylim(len(figure.series) - 0.5, -0.5)


def cells_are_narrow(figure: Figure, scale: Scale, canvas: Canvas) -> bool:
    """Whether intervals must be broken to fit their cells."""
    lines = [
        line
        for series in figure.series
        for k in range(len(series.x))
        for line in cell_text(series, k).split("\n")
    ]
    room = CELLS * canvas.letters / len(scale.categories)
    return max(map(len, lines)) > room


def shows_dashes(figure: Figure) -> bool:
    """Whether dashes stand in a figure for what was not measured; lines just have a gap."""
    missing = any(value is None for series in figure.series for value in series.y)
    return missing and figure.kind != "lines"


def cell_text(series: Series, k: int) -> str:
    """What stands in a cell: the number, and below it the interval."""
    value = series.y[k]
    if value is None:
        return MISSING
    estimate = estimate_at(series, k)
    return interval(estimate).replace(" ", "\n", 1) if estimate else number(value)


def estimate_at(series: Series, k: int) -> Estimate | None:
    """One number with its interval; None where it has none."""
    low, high = (ends[k] if ends else None for ends in (series.low, series.high))
    value = series.y[k]
    if value is None or low is None or high is None:
        return None
    return Estimate(value=value, low=low, high=high)


def columns(series: Series, scale: Scale) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Positions, values, lower and upper ends (N,); not a number where there is none."""
    x = np.array([scale.place(value) for value in series.x], dtype=np.float64)
    parts = (part or (None,) * len(x) for part in (series.y, series.low, series.high))
    y, low, high = (np.array(part, dtype=np.float64) for part in parts)
    return x, y, low, high


def _tell_missing(axes: Any, place: float, flat: bool) -> None:
    point = (0, place) if flat else (place, 0)
    units = ("axes fraction", "data") if flat else ("data", "axes fraction")
    axes.annotate(
        MISSING, point, xycoords=units, xytext=(4, 0) if flat else (0, 4),
        textcoords="offset points", ha="left" if flat else "center",
        va="center" if flat else "bottom", color=LIGHT.muted,
    )  # fmt: skip


def _fill(value: float | None, values: Sequence[float]) -> tuple[str, float]:
    """Colour and opacity of a cell; text stays readable on all of them."""
    if value is None:
        return LIGHT.raised, 1.0
    deepest = max(map(abs, values)) or 1.0
    return colour(int(value < 0)), 0.06 + (DEEPEST - 0.06) * abs(value) / deepest


def _lonely(low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    """Which intervals have no neighbour, so that no band can be drawn to it."""
    known = np.isfinite(low) & np.isfinite(high)
    padded = np.pad(known, 1)
    alone: NDArray[np.bool_] = known & ~padded[:-2] & ~padded[2:]
    return alone


def _lengths(y: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Lengths (2, N) of the error bars; an interval beside its value keeps to one side."""
    return np.maximum(np.stack([y - low, high - y]), 0)
