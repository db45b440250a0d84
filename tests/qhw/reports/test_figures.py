from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from qhw.reports import figures as drawing
from qhw.reports.canvas import FILE, NARROW, WIDE, Canvas, plain_figure
from qhw.reports.figures import figure_markup, rendered, save_figures
from qhw.reports.names import spread
from qhw.reports.scales import scale_of
from qhw.reports.style import DARK, LIGHT, settings
from qhw.studies.finding import Axis, Figure, Finding, Reference, Series
from tests.qhw.reports.findings import EVIL, evil, features, noise_scale, realistic

FIGURES = [figure for finding in (*realistic(), evil()) for figure in finding.figures]
SVG = "{http://www.w3.org/2000/svg}"


X, Y = Axis(label="x"), Axis(label="y")


def lines(
    at: tuple[float | str, ...], values: tuple[float | None, ...], x: Axis = X, y: Axis = Y
) -> Figure:
    return Figure(
        id="f", title="t", kind="lines", x=x, y=y,
        series=(Series(name="s", x=at, y=values),), reading="r", alternative="a",
    )  # fmt: skip


def words(content: bytes) -> str:
    root = ElementTree.fromstring(content)
    return " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
@pytest.mark.parametrize("canvas", [NARROW, FILE], ids=lambda canvas: canvas.name)
def test_every_kind_is_drawn_at_every_width(figure: Figure, canvas: Canvas) -> None:
    told = words(rendered(figure, canvas, "svg"))
    if figure.id.startswith("evil"):
        assert "<script>" in told, "text is text, and nothing else"
    else:
        for label in (figure.x.label, figure.y.label):
            assert label.split()[0] in told


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(kind: str) -> None:
    figure = features().figures[0]
    assert rendered(figure, FILE, kind) == rendered(figure, FILE, kind)


def test_files_are_named_after_study_and_figure_and_carry_the_title(tmp_path: Path) -> None:
    paths = save_figures(tmp_path, noise_scale())
    assert [path.name for path in paths] == ["noise_scale-gain.svg", "noise_scale-gain.pdf"]
    assert "Gain over the best constant" in words(paths[0].read_bytes())
    assert b"<dc:date>" not in paths[0].read_bytes()


def test_ids_are_unique_in_a_page_and_colours_follow_the_theme() -> None:
    markup = "".join(
        figure_markup(finding.study, figure)
        for finding in realistic()
        for figure in finding.figures
    )
    ids = re.findall(r' id="([^"]+)"', markup)
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r'href="#([^"]+)"', markup)) | set(
        re.findall(r"url\(#([^)]+)\)", markup)
    )
    assert asked <= set(ids)
    assert not re.findall(r"#[0-9a-f]{6}\b(?![^<]*</text>)", markup)
    assert "var(--series-0)" in markup
    assert "<style" not in markup


def test_colours_stand_for_one_role_each_and_can_be_read() -> None:
    for palette in (LIGHT, DARK):
        roles = palette.roles()
        assert len(set(roles.values())) == len(roles)
        for role, least in (("ink", 7), ("muted", 4.5), ("accent", 4.5), ("warning", 4.5)):
            for ground in (palette.paper, palette.raised):
                assert contrast(roles[role], ground) >= least, role
        for shade in palette.series[:5]:
            assert contrast(shade, palette.paper) >= 3
    assert LIGHT.roles().keys() == DARK.roles().keys()


def test_text_on_the_deepest_cell_can_be_read() -> None:
    from qhw.reports.marks import DEEPEST

    for palette in (LIGHT, DARK):
        for shade in palette.series[:2]:
            assert contrast(palette.ink, blended(shade, palette.paper, DEEPEST)) >= 4.5


def test_a_word_makes_an_axis_categories_and_numbers_keep_their_own() -> None:
    scale = scale_of(lines((64, 1024, "exact"), (1, 2, 3)))
    assert scale.categories == ("64", "1,024", "exact")
    assert [scale.place(value) for value in (64, 1024, "exact")] == [0, 1, 2]


def test_an_ordered_axis_takes_numbers_and_places_a_reference_between() -> None:
    scale = scale_of(lines((4, 1, 2), (1, 2, 3), x=Axis(label="x", order=("0", "1", "2", "4"))))
    assert [scale.place(value) for value in (0, 1, 2, 4)] == [0, 1, 2, 3]
    assert scale.place(3.0) == 2.5


def test_a_reference_that_fits_no_category_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the categories"):
        scale_of(lines(("a", "b"), (1, 2))).place(3.0)


def test_a_logarithmic_axis_within_a_decade_has_values_written() -> None:
    figure = lines((1, 2, 8), (0.88, 0.73, 0.19), y=Axis(label="y", log=True))
    written = {
        label.get_text() for label in sheet(figure, WIDE).axes[0].get_yticklabels(which="minor")
    }
    assert {"0.2", "0.3", "0.5"} <= written


@pytest.mark.parametrize(
    "figure",
    [
        lines((0, 1, 10), (1, 2, 3), x=Axis(label="x", log=True)),
        lines((1, 2, 3), (0.0, 0.1, 10), y=Axis(label="y", log=True)),
        lines((1, 2, 3), (None, None, None), y=Axis(label="y", log=True)),
        lines((1,), (None,)),
        lines((5,), (5,)),
        lines((), ()),
    ],
)
def test_awkward_numbers_are_drawn(figure: Figure) -> None:
    for canvas in (WIDE, NARROW):
        assert rendered(figure, canvas, "svg")


def test_a_lonely_interval_is_drawn_as_a_bar_between_gaps() -> None:
    figure = lines((1, 2, 3), (None, 2.0, None)).model_copy(
        update={
            "series": (
                Series(
                    name="s", x=(1, 2, 3), y=(None, 2.0, None),
                    low=(None, 1.5, None), high=(None, 2.5, None),
                ),
            )
        }
    )  # fmt: skip
    axes = sheet(figure, WIDE).axes[0]
    low, high = axes.get_ylim()
    assert low < 1.5
    assert high > 2.5


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
@pytest.mark.parametrize("canvas", [WIDE, NARROW, FILE], ids=lambda canvas: canvas.name)
def test_no_name_covers_data_or_title(figure: Figure, canvas: Canvas) -> None:
    drawn = sheet(figure, canvas)
    inside = drawn.axes[0].get_window_extent()
    assert inside.width > 40
    assert inside.height > 40
    for legend in drawn.legends:
        assert not overlap(legend.get_window_extent(), inside)
        for title in drawn.texts:
            assert not overlap(legend.get_window_extent(), title.get_window_extent())
    for note in drawn.axes[0].texts:
        if note.get_text() in {series.name for series in figure.series}:
            assert Text.get_window_extent(note).x0 >= inside.x1, "without its leader"


@pytest.mark.parametrize("heights", [(0.5, 0.5, 0.5), (0.99, 1.0, 0.98), (0.0, 0.01), (0.2, 0.9)])
def test_names_are_moved_apart_and_keep_their_order(heights: tuple[float, ...]) -> None:
    placed = np.array(spread(heights, 0.1))
    assert (np.diff(np.sort(placed)) >= 0.1 - 1e-9).all()
    assert (np.argsort(placed, kind="stable") == np.argsort(heights, kind="stable")).all()
    assert placed.max() <= 1 + 1e-9


def test_names_that_need_no_moving_stay() -> None:
    assert spread((0.2, 0.9), 0.1) == pytest.approx([0.2, 0.9])


def test_an_upright_reference_is_named_beside_the_axes() -> None:
    figure = noise_scale().figures[0]
    (legend,) = sheet(figure, WIDE).legends
    assert [text.get_text() for text in legend.get_texts()] == ["break point 3.4 [2.8, 4.3]"]


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=lambda canvas: canvas.name)
def test_a_bar_that_has_its_category_alone_lies_beside_its_name(canvas: Canvas) -> None:
    apart = Figure(
        id="f", title="t", kind="bars", x=Axis(label="x", order=("a", "b", "c")), y=Y,
        series=(Series(name="s", x=("a",), y=(1.0,)), Series(name="t", x=("b", "c"), y=(2.0, 3.0))),
        reading="r", alternative="a",
    )  # fmt: skip
    bars = [
        bar.get_y() + bar.get_height() / 2  # lying
        if bar.get_x() == 0
        else bar.get_x() + bar.get_width() / 2
        for bar in sheet(apart, canvas).axes[0].patches
        if isinstance(bar, Rectangle)
    ]
    assert bars == pytest.approx([0, 1, 2])


def test_cells_that_differ_by_little_look_alike() -> None:
    from qhw.reports.marks import _fill

    values = [0.056, 0.051, -0.056, 0.0]
    (blue, deep), (_, near), (orange, below), (_, pale) = (_fill(v, values) for v in values)
    assert near > 0.9 * deep and below == deep and pale < 0.1
    assert blue != orange


def test_heads_of_a_matrix_do_not_run_into_each_other() -> None:
    names = tuple(f"noise, {k} x 1024 shots, zne" for k in range(6))
    figure = Figure(
        id="f", title="t", kind="matrix", x=Axis(label="x"), y=Axis(label="y"),
        series=(Series(name="trained on fake_brisbane", x=names, y=(0.05,) * 6),),
        reading="r", alternative="a",
    )  # fmt: skip
    heads = [text.get_window_extent() for text in sheet(figure, WIDE).axes[0].get_xticklabels()]
    assert not any(overlap(one, two) for one, two in pairwise(heads))


def test_control_characters_do_not_reach_the_file() -> None:
    figure = lines(("\x00a", "b\x1b"), (1, 2)).model_copy(
        update={"references": (Reference(name=EVIL, value=1.5),), "title": "t\x07"}
    )
    content = rendered(figure, FILE, "svg")
    assert ElementTree.parse(io.BytesIO(content))


def test_a_finding_without_figures_writes_none(tmp_path: Path) -> None:
    assert save_figures(tmp_path, Finding(study="s", question="q", answer="a")) == []


def sheet(figure: Figure, canvas: Canvas) -> Sheet:
    """The drawing with all its parts in place."""
    with rc_context(settings(canvas.text, "salt")):
        drawn = drawing.draw(plain_figure(figure), canvas)
        FigureCanvasAgg(drawn).draw()
    return drawn


def overlap(first: object, second: object) -> bool:
    a, b = np.array(first.extents), np.array(second.extents)  # type: ignore[attr-defined]
    return bool((a[:2] < b[2:] - 1).all() and (b[:2] < a[2:] - 1).all())


def blended(shade: str, ground: str, opacity: float) -> str:
    mixed = (opacity * part(shade) + (1 - opacity) * part(ground)).round().astype(int)
    return "#" + "".join(f"{value:02x}" for value in mixed)


def part(shade: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([int(shade[k : k + 2], 16) for k in (1, 3, 5)], dtype=np.float64)


def contrast(first: str, second: str) -> float:
    """As WCAG defines it."""

    def luminance(shade: str) -> float:
        v = part(shade) / 255
        linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def drawn(figure: Figure) -> list[tuple[list[float], list[float]]]:
    """Places and values of what a figure's first axes join by lines."""
    with rc_context(settings(9.5, "test")):
        [axes] = drawing.draw(figure, WIDE).axes
    return [
        ([*np.asarray(line.get_xdata())], [*np.asarray(line.get_ydata())])
        for line in axes.lines
        if line.get_linestyle() == "-"
    ]


def test_no_line_leads_from_shots_to_exact_values() -> None:
    order = ("64", "1024", "16384", "exact")
    joined = drawn(lines(order, (4.0, 3.0, 2.0, 1.0), Axis(label="shots", order=order)))
    assert joined[0][1] == [4.0, 3.0, 2.0]
    devices = ("here", "there")
    assert drawn(lines(devices, (1.0, 2.0), Axis(label="device", order=devices)))[0][1] == [1, 2]


def test_paired_differences_are_points_about_a_line_at_nothing() -> None:
    figure = Figure(
        id="f", title="t", kind="forest", x=X, y=Y,
        series=(Series(name="s", x=("a", "b"), y=(0.1, -0.2), low=(0.0, -0.3), high=(0.2, -0.1)),),
        reading="r", alternative="a",
    )  # fmt: skip
    with rc_context(settings(9.5, "test")):
        [axes] = drawing.draw(figure, WIDE).axes
    assert not [p for p in axes.patches if isinstance(p, Rectangle)], "no bars"
    zero, points = axes.lines[0], axes.lines[1]
    assert [*np.asarray(zero.get_xdata())] == [0, 0] and zero.get_linestyle() == "-"
    assert [*np.asarray(points.get_xdata())] == [0.1, -0.2] and points.get_linestyle() == "None"
    assert axes.yaxis_inverted(), "the first row is on top"


def test_a_logarithmic_axis_may_be_marked_at_some_places_alone() -> None:
    at = (0.0, 1.0, 4.0, 4.8, 5.1, 8.0)
    told = words(rendered(lines(at, at, Axis(label="x", log=True, ticks=(0, 1, 8))), WIDE, "svg"))
    assert "4.8" not in told and "8" in told.split()


def test_seeds_of_a_line_are_thin_nameless_and_of_its_colour() -> None:
    def line(name: str, y: tuple[float, ...], part_of: str = "") -> Series:
        return Series(name=name, part_of=part_of, x=(1.0, 2.0), y=y)

    whole = lines((1.0, 2.0), (1.0, 2.0)).model_copy(
        update={"series": (line("a", (1, 2)), line("b", (3, 4)), line("b, seed 1", (3, 5), "b"))}
    )
    with rc_context(settings(9.5, "test")):
        [axes] = drawing.draw(whole, WIDE).axes
    thin = [each for each in axes.lines if each.get_linewidth() < 1 and each.get_alpha()]
    assert [each.get_color() for each in thin] == [LIGHT.series[1]]
    assert "seed 1" not in words(rendered(whole, WIDE, "svg"))
    with pytest.raises(ValueError, match="which is not there"):
        lines((1.0,), (1.0,)).model_validate(
            {**whole.model_dump(), "series": [line("x", (1, 2), "y").model_dump()]}
        )
