"""One look for all figures: colours that colour-blind people tell apart, in light and in dark.

The series take the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), in an order that
keeps neighbours apart. Figures are drawn in the light colours; where a page shows them in the dark,
each light colour is exchanged for its dark counterpart, so no colour may stand for two roles.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""One per colour, so that no one needs colours to tell series apart."""
REFERENCE_DASHES: tuple[Any, ...] = ("--", ":", "-.", (0, (8, 3)))


@dataclass(frozen=True)
class Palette:
    """Colours as #rrggbb.

    Attributes:
        paper: Background.
        raised: Background of a box or a table's head.
        ink: Text; 7:1 or more on paper.
        muted: Labels and side remarks; 4.5:1 or more.
        line: Rules and grids.
        shade: Where a box goes on beyond its edge.
        accent: Links; 4.5:1 or more.
        warning: The mark of a refusal; 4.5:1 or more.
        series: Lines, bars and points; 3:1 or more for the first five.
    """

    paper: str
    raised: str
    ink: str
    muted: str
    line: str
    shade: str
    accent: str
    warning: str
    series: tuple[str, ...]

    def roles(self) -> dict[str, str]:
        """Name of every role to its colour; the series are `series-0` and on."""
        named = asdict(self)
        series = named.pop("series")
        return {**named, **{f"series-{k}": colour for k, colour in enumerate(series)}}


LIGHT = Palette(
    paper="#ffffff",
    raised="#f5f6f7",
    ink="#1c2126",
    muted="#5a646e",
    line="#dfe3e6",
    shade="#c9cfd4",
    accent="#00578a",
    warning="#a34700",
    series=("#0072b2", "#d55e00", "#009068", "#b8558f", "#4d5358", "#b87f00", "#3f93c8", "#8a7d00"),
)
"""Okabe and Ito's colours; those too pale for white paper are darkened until they can be seen."""
DARK = Palette(
    paper="#14171a",
    raised="#1d2125",
    ink="#e8e9ea",
    muted="#a3acb5",
    line="#33393f",
    shade="#4a525a",
    accent="#7cc4f2",
    warning="#f2a65e",
    series=("#56b4e9", "#f08a3c", "#1fbf92", "#d996bb", "#bfc4c9", "#e69f00", "#3d8fd1", "#f0e442"),
)


def colour(index: int) -> str:
    """The light colour of a series."""
    return LIGHT.series[index % len(LIGHT.series)]


def marker(index: int) -> str:
    """The marker of a series."""
    return MARKERS[index % len(MARKERS)]


def settings(size: float, salt: str) -> dict[str, Any]:
    """Settings of matplotlib for one figure.

    Args:
        size: Height of the text, in points.
        salt: Makes ids in the SVG the same in every run.
    """
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": LIGHT.muted,
        "axes.facecolor": "none",
        "axes.formatter.useoffset": False,
        "axes.grid": False,
        "axes.labelcolor": LIGHT.muted,
        "axes.labelsize": size,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": LIGHT.muted,
        "axes.titlelocation": "left",
        "axes.titlesize": size,
        "figure.facecolor": LIGHT.paper,
        "font.family": "DejaVu Sans",
        "font.size": size,
        "grid.color": LIGHT.line,
        "grid.linewidth": 0.7,
        "hatch.linewidth": 0.6,
        "legend.fontsize": size,
        "legend.frameon": False,
        "legend.labelcolor": LIGHT.ink,
        "lines.linewidth": 1.8,
        "lines.markersize": 5.5,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "text.color": LIGHT.ink,
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "xtick.color": LIGHT.muted,
        "xtick.labelsize": size - 0.5,
        "ytick.color": LIGHT.muted,
        "ytick.labelsize": size - 0.5,
    }
