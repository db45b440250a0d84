"""A device's couplings with its errors in colour, and the qubits a circuit takes.

Colours come from cividis, which people with any kind of colour vision read alike: light is little
error, dark is much, on a logarithmic scale. On a large device the outermost two percent at either
end share the colours of the scale's ends.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration import DeviceSnapshot
from policy.backend import FloatArray
from qhw.commands.calibrate_places import Edge, couplings, positions
from qhw.files import make_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

OUTLINE = "#d55e00"
"""Vermilion of the colour-blind safe Okabe-Ito palette."""
GREY, EDGE, INK = "#9a9a9a", "#555555", "#222222"
LARGEST_SIDE, CLOSEST, WIDEST = 10.5, 0.62, 1.05
"""Inches: of the drawing's longer side, and between neighbours at least and at most."""
NARROWEST = 7.5
"""Inches; two colour bars side by side need them."""
MARGIN = 0.6
"""Left free round the qubits, in distances between neighbours."""
POINTS = 72
"""In one inch."""
BELOW, ABOVE = 1.25, 0.5
"""Inches for legend and bars, and for the title."""
MANY = 50
"""So many values show the rest better without the outermost."""
TICKS = ((1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8))
"""Digits that are marked in every power of ten, from few to many."""
ENOUGH_TICKS = 3
COLOURS = "cividis_r"
DASHED = (0, (2, 2))
SMALLEST = 1e-6
"""Stands for an error of 0, which has no place on a logarithmic scale."""
DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Layout:
    """Where a circuit lies on a device.

    Attributes:
        qubits: Physical qubits that carry gates.
        pairs: Physical qubits of its two-qubit gates.
        title: Describes it for the legend.
    """

    qubits: Collection[int]
    pairs: Collection[tuple[int, int]]
    title: str


def draw_device(snapshot: DeviceSnapshot, layout: Layout, title: str) -> Figure:
    """Draw the coupling map: read-out errors at the qubits, gate errors between them.

    Args:
        snapshot: The device.
        layout: Outlined.
        title: Above the drawing.
    """
    sheet = _sheet(positions(snapshot))
    edges = _draw_edges(sheet, snapshot, layout)
    nodes = _draw_qubits(sheet, snapshot, layout)
    sheet.axes.set_title(title, fontsize=13, fontweight="bold", color=INK)
    _bar(sheet.bars[0], nodes, "read-out error of a qubit")
    _bar(sheet.bars[1], edges, "error of a two-qubit gate")
    _legend(sheet, snapshot, layout)
    return sheet.figure


def save_picture(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and as SVG, without a date, so that the same figure is the same file.

    Args:
        figure: What `draw_device` drew.
        stem: The files' path without an ending.

    Returns:
        Both paths.

    Raises:
        OutputError: If they cannot be written.
    """
    from matplotlib import rc_context

    from qhw.evaluation.plots import save_figure

    make_folder(stem.parent)
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    with rc_context({"svg.hashsalt": stem.name}):
        save_figure(figure, paths[0], dpi=DOTS_PER_INCH)
        save_figure(figure, paths[1], metadata={"Date": None})
    return paths


def pair_errors(snapshot: DeviceSnapshot) -> dict[Edge, float | None]:
    """Error of the two-qubit gate on every coupled pair, the smallest where there are several.

    None where the device gives none, or gives 1: it could not calibrate the gate.
    """
    errors: dict[Edge, float | None] = {}
    for gate in snapshot.gates:
        if len(gate.qubits) != 2:
            continue
        pair = frozenset(gate.qubits)
        known = errors.get(pair)
        new = gate.error if gate.usable else None
        errors[pair] = new if known is None else known if new is None else min(known, new)
    return errors


@dataclass(frozen=True)
class _Sheet:
    """A figure: the drawing, two bars below it.

    Attributes:
        figure: All of it.
        axes: Axes of the drawing.
        bars: For the scales.
        places: (qubits, 2) in units of the axes.
        scale: Points from a qubit to its neighbour.
    """

    figure: Figure
    axes: Axes
    bars: tuple[Axes, Axes]
    places: FloatArray
    scale: float


def _sheet(places: FloatArray) -> _Sheet:
    """A figure of exactly the size that is needed."""
    from matplotlib.figure import Figure

    low, high = places.min(axis=0) - MARGIN, places.max(axis=0) + MARGIN
    inches = min(WIDEST, max(CLOSEST, LARGEST_SIDE / float((high - low).max())))
    width, height = (float(side) for side in (high - low) * inches)
    wide, tall = max(width, NARROWEST), height + BELOW + ABOVE
    figure = Figure(figsize=(wide, tall))
    drawing = ((wide - width) / 2 / wide, BELOW / tall, width / wide, height / tall)
    axes = figure.add_axes(drawing, xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.axis("off")
    left, right = (figure.add_axes((x, 0.52 / tall, 0.38, 0.16 / tall)) for x in (0.08, 0.54))
    return _Sheet(figure, axes, (left, right), places, POINTS * inches)


def _scale(errors: FloatArray) -> LogNorm:
    """From the least to the largest error, or most of that where there are many."""
    from matplotlib.colors import LogNorm

    positive = errors[errors > SMALLEST] if (errors > SMALLEST).any() else np.array([0.001, 0.01])
    low, high = np.percentile(positive, [2, 98] if len(positive) >= MANY else [0, 100])
    if high < 1.5 * low:
        low, high = low / 1.5, high * 1.5
    return LogNorm(float(low), float(high), clip=True)


def _draw_edges(sheet: _Sheet, snapshot: DeviceSnapshot, layout: Layout) -> LineCollection:
    """Lines between coupled qubits; returns what the colour bar belongs to."""
    errors = pair_errors(snapshot)
    known = [pair for pair in couplings(snapshot) if errors[pair] is not None]
    unknown = [pair for pair in couplings(snapshot) if errors[pair] is None]
    used = [frozenset(pair) for pair in layout.pairs]
    width = 0.14 * sheet.scale
    _lines(sheet, used, colors=OUTLINE, linewidths=width + 6, zorder=1)
    _lines(sheet, known, colors=EDGE, linewidths=width + 1, zorder=2)
    _lines(sheet, unknown, colors=GREY, linewidths=1.5, linestyles=DASHED, zorder=2)
    values = np.array([errors[pair] for pair in known], dtype=np.float64)
    style = {"cmap": COLOURS, "norm": _scale(values), "linewidths": width}
    return _lines(sheet, known, array=np.maximum(values, SMALLEST), zorder=3, **style)


def _lines(sheet: _Sheet, pairs: Sequence[Edge], **style: Any) -> LineCollection:
    from matplotlib.collections import LineCollection

    lines = LineCollection([sheet.places[sorted(pair)] for pair in pairs], **style)
    sheet.axes.add_collection(lines)
    return lines


def _draw_qubits(sheet: _Sheet, snapshot: DeviceSnapshot, layout: Layout) -> PathCollection:
    """Discs with their numbers; returns what the colour bar belongs to."""
    errors = np.array([max(qubit.readout_error, SMALLEST) for qubit in snapshot.qubits])
    diameter = 0.66 * sheet.scale
    x, y = sheet.places.T
    used = sorted(layout.qubits)
    sheet.axes.scatter(x[used], y[used], s=(diameter + 8) ** 2, color=OUTLINE, zorder=4)
    discs = sheet.axes.scatter(
        x, y, s=diameter**2, c=errors, cmap=COLOURS, norm=_scale(errors), zorder=5,
        edgecolors=EDGE, linewidths=0.7,
    )  # fmt: skip
    for qubit, colour in enumerate(discs.to_rgba(errors)):
        _number(sheet, qubit, colour, used=qubit in layout.qubits)
    return discs


def _number(sheet: _Sheet, qubit: int, background: Sequence[float], *, used: bool) -> None:
    x, y = sheet.places[qubit]
    sheet.axes.text(
        x,
        y,
        str(qubit),
        color="white" if _is_dark(background) else INK,
        fontsize=0.25 * sheet.scale,
        fontweight="bold" if used else "normal",
        ha="center",
        va="center_baseline",
        zorder=6,
    )


def _is_dark(colour: Sequence[float]) -> bool:
    """Relative luminance (ITU-R BT.709) below the middle of what the eye sees."""
    red, green, blue = (float(part) for part in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5


def _bar(axes: Axes, shown: Any, title: str) -> None:
    """One scale; its ends are pointed where values lie beyond them."""
    values, norm = np.asarray(shown.get_array()), shown.norm
    below, above = bool((values < norm.vmin).any()), bool((values > norm.vmax).any())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    ends = extend.get((below, above), "neither")
    bar = axes.figure.colorbar(shown, cax=axes, orientation="horizontal", extend=ends)
    ticks = _ticks(norm.vmin, norm.vmax)
    bar.set_ticks(ticks, labels=[f"{100 * tick:g} %" for tick in ticks])
    bar.minorticks_off()
    bar.set_label(title, color=INK)
    bar.outline.set_edgecolor(EDGE)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers: the roundest of which there are enough between both ends."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside: list[float] = []
    for digits in TICKS:
        round_numbers = [digit * 10.0**power for power in powers for digit in digits]
        inside = [tick for tick in round_numbers if low <= tick <= high]
        if len(inside) >= ENOUGH_TICKS:
            break
    return inside


def _legend(sheet: _Sheet, snapshot: DeviceSnapshot, layout: Layout) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=OUTLINE, linewidth=4, label=layout.title)]
    if None in pair_errors(snapshot).values():
        dashes = Line2D([], [], color=GREY, linewidth=1.5, linestyle=DASHED)
        dashes.set_label("gate that is not calibrated")
        handles.append(dashes)
    height = (BELOW - 0.27) / sheet.figure.get_figheight()
    place = {"loc": "center", "bbox_to_anchor": (0.5, height)}
    sheet.figure.legend(handles=handles, ncols=len(handles), frameon=False, **place)
