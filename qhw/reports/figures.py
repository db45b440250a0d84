"""A finding's figures: inline in the page, and as PDF and SVG files that stand alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Sheet
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from qhw.files import make_folder, replace_file
from qhw.reports.canvas import FILE, NARROW, WIDE, Canvas, plain_figure
from qhw.reports.inline import inline_svg
from qhw.reports.marks import (
    CELLS,
    cells_are_narrow,
    draw_bars,
    draw_cells,
    draw_lines,
    draw_points,
    lanes,
)
from qhw.reports.names import (
    draw_ends,
    draw_legend,
    draw_references,
    legend_lines,
    names_fit_at_ends,
)
from qhw.reports.numbers import number
from qhw.reports.scales import Scale, axis_label, scale_of
from qhw.reports.style import LIGHT, settings
from qhw.studies.finding import Figure, Finding

NO_DATES: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
ROW_NAMES = 0.32
"""Share of the width that names to the left of bars or cells may take."""
COLUMN_NAMES = 0.86
"""Share of the width that names below or above the axes may take together."""
MANY_TICKS = {WIDE.name: 9, NARROW.name: 5, FILE.name: 9}
"""Most values of a logarithmic axis that are each written."""


def save_figures(folder: Path, finding: Finding) -> list[Path]:
    """Write each figure as `STUDY-ID.svg` and `STUDY-ID.pdf`."""
    make_folder(folder)
    paths = []
    for figure in finding.figures:
        for kind in ("svg", "pdf"):
            path = folder / f"{finding.study}-{figure.id}.{kind}"
            replace_file(path, rendered(figure, FILE, kind))
            paths.append(path)
    return paths


def figure_markup(study: str, figure: Figure) -> str:
    """The figure as markup for a page: a wide and a narrow drawing, one of which is shown."""
    drawings = (
        inline_svg(
            rendered(figure, canvas, "svg"),
            prefix=f"{study}-{figure.id}-{canvas.name}-",
            name=canvas.name,
            alternative=figure.alternative,
        )
        for canvas in (WIDE, NARROW)
    )
    return "\n".join(drawings)


def rendered(figure: Figure, canvas: Canvas, kind: str) -> bytes:
    """Draw a figure as `svg` or `pdf`; the same figure gives the same bytes."""
    figure = plain_figure(figure)
    buffer = io.BytesIO()
    with matplotlib.rc_context(settings(canvas.text, f"{figure.id}-{canvas.name}")):
        draw(figure, canvas).savefig(buffer, format=kind, metadata=NO_DATES[kind])
    return buffer.getvalue()


def draw(figure: Figure, canvas: Canvas) -> Sheet:
    """Draw a figure under matplotlib's current settings."""
    scale = scale_of(figure)
    bars = figure.kind == "bars" and _bars_lie(scale, figure, canvas)
    flat = bars or figure.kind == "forest"
    height = _height(figure, scale, canvas, flat)
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    sheet = Sheet(figsize=(canvas.width, height), layout=layout)
    axes = sheet.add_subplot()
    if canvas.titled:
        title = canvas.wrap(figure.title, 0.85)
        sheet.suptitle(title, x=0.01, ha="left", fontsize=canvas.text + 2, fontweight="bold")
    if figure.kind == "matrix":
        draw_cells(axes, figure, scale, canvas)
        _label_cells(axes, figure, scale, canvas)
        return sheet
    if figure.kind == "lines":
        draw_lines(axes, figure, scale)
    elif figure.kind == "forest":
        draw_points(axes, figure, scale)
    else:
        draw_bars(axes, figure, scale, flat)
    draw_references(axes, figure, scale, flat)
    _label(axes, figure, scale, canvas, flat)
    at_ends = names_fit_at_ends(figure, canvas)
    if at_ends:
        draw_ends(axes, figure, scale, canvas)
    draw_legend(sheet, axes, figure, canvas, at_ends)
    return sheet


def _bars_lie(scale: Scale, figure: Figure, canvas: Canvas) -> bool:
    """Whether bars lie, because their categories' names would run into each other."""
    longest = max(len(name) for name in scale.categories)
    fits = longest * len(scale.categories) < 0.75 * canvas.letters
    return not fits or len(scale.categories) * lanes(figure) > 0.4 * canvas.letters


def _height(figure: Figure, scale: Scale, canvas: Canvas, flat: bool) -> float:
    """Inches: the room that the data need, and the text round them."""
    labels = (axis_label(figure.x), axis_label(figure.y))
    text = sum(canvas.height_of(canvas.wrap(label, 0.8)) for label in labels)
    text += canvas.line * (2 + legend_lines(figure, canvas))
    if canvas.titled:
        text += 2 * canvas.height_of(canvas.wrap(figure.title, 0.85))
    if scale.categories and not flat:
        text += max(map(canvas.height_of, _category_names(figure, scale, canvas, flat)))
    return float(text + _body(figure, scale, canvas, flat))


def _body(figure: Figure, scale: Scale, canvas: Canvas, flat: bool) -> float:
    """Inches that the axes want to be high."""
    if figure.kind == "matrix":
        names = (canvas.wrap(series.name, ROW_NAMES) for series in figure.series)
        least = 0.72 if cells_are_narrow(figure, scale, canvas) else 0.5
        return len(figure.series) * max(max(map(canvas.height_of, names)) + 0.08, least)
    if flat:
        name = max(map(canvas.height_of, _category_names(figure, scale, canvas, flat)))
        return len(scale.categories) * max(name, 0.19 * lanes(figure) + 0.16)
    return 0.36 * canvas.width + 0.75


def _label(axes: Any, figure: Figure, scale: Scale, canvas: Canvas, flat: bool) -> None:
    """Name the axes; the upright one above its upper end, where it can be read."""
    values, places = (axes.xaxis, axes.yaxis) if flat else (axes.yaxis, axes.xaxis)
    value_label, place_label = axis_label(figure.y), axis_label(figure.x)
    along, above = (value_label, place_label) if flat else (place_label, value_label)
    axes.set_xlabel(canvas.wrap(along, 0.8))
    axes.set_title(canvas.wrap(above, 0.9), x=0.0)
    values.grid(True)
    values.set_tick_params(length=0)
    if figure.y.log:
        _logarithmic(axes, figure, "x" if flat else "y")
    if scale.categories:
        names = _category_names(figure, scale, canvas, flat)
        places.set_ticks(range(len(names)), names)
        places.set_tick_params(length=0)
        if flat:
            axes.invert_yaxis()
    elif figure.x.log:
        _mark_data(axes, figure.x.ticks or scale.values, canvas)


def _category_names(figure: Figure, scale: Scale, canvas: Canvas, flat: bool) -> list[str]:
    """Names of the categories, wrapped to the room of each; a matrix's cells are narrower."""
    together = CELLS - 0.04 if figure.kind == "matrix" else COLUMN_NAMES
    share = ROW_NAMES if flat else together / len(scale.categories)
    return [canvas.wrap(name, share) for name in scale.categories]


def _mark_data(axes: Any, marks: Sequence[float], canvas: Canvas) -> None:
    """A logarithmic axis of numbers, marked at these."""
    _scale_logarithmic(axes, "x", min(marks))
    step = -(-len(marks) // MANY_TICKS[canvas.name])
    axes.xaxis.set_major_locator(FixedLocator(marks[::-step][::-1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _logarithmic(axes: Any, figure: Figure, which: str) -> None:
    values = [y for series in figure.series for y in series.y if y is not None]
    if not values:
        return
    _scale_logarithmic(axes, which, min(values))
    axis = axes.xaxis if which == "x" else axes.yaxis
    written = FuncFormatter(lambda value, _: number(value))
    axis.set_major_formatter(written)
    within_a_decade = 0 < max(values) < 10 * min(values)
    if within_a_decade:
        axis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axis.set_minor_formatter(written if within_a_decade else NullFormatter())


def _scale_logarithmic(axes: Any, which: str, least: float) -> None:
    """Logarithmic; where a value is 0 or below, linear round 0."""
    change = axes.set_xscale if which == "x" else axes.set_yscale
    if least > 0:
        change("log", nonpositive="clip")
    else:
        column = 0 if which == "x" else 1
        values = [v for line in axes.lines for v in line.get_xydata()[:, column] if v > 0]
        change("symlog", linthresh=float(min(values)), linscale=0.5)


def _label_cells(axes: Any, figure: Figure, scale: Scale, canvas: Canvas) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.set_xticks(
        range(len(scale.categories)), _category_names(figure, scale, canvas, flat=False)
    )
    rows = [canvas.wrap(series.name, ROW_NAMES) for series in figure.series]
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(canvas.wrap(f"{axis_label(figure.x)} →", 0.8))
    axes.xaxis.set_label_position("top")
    share = 1.1 * _body(figure, scale, canvas, flat=False) / canvas.width
    axes.set_ylabel(canvas.wrap(f"← {axis_label(figure.y)}", share))
    axes.tick_params(labelcolor=LIGHT.ink)
