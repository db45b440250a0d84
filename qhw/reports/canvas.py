"""The sheet a figure is drawn on: wide for desktops and paper, narrow for phones."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from qhw.studies.finding import Figure

LETTER = 0.6
"""Mean width of a letter over its size, generous."""
POINTS = 72.0
"""Per inch."""


@dataclass(frozen=True)
class Canvas:
    """Width and text size, which together decide how much fits.

    Attributes:
        name: Part of ids.
        width: Inches.
        text: Size in points.
        titled: Draw the title too, for files that stand alone.
    """

    name: str
    width: float
    text: float
    titled: bool = False

    @property
    def letters(self) -> int:
        """Letters to a full line."""
        return int(self.width * POINTS / (LETTER * self.text))

    @property
    def line(self) -> float:
        """Height of a line of text in inches."""
        return 1.35 * self.text / POINTS

    def height_of(self, text: str) -> float:
        """Inches that wrapped text takes."""
        return self.line * (text.count("\n") + 1)

    def wrap(self, text: str, share: float = 1.0) -> str:
        """Break text into lines that fill no more than a share of the width."""
        return "\n".join(textwrap.wrap(text, max(8, int(share * self.letters)))) or text


WIDE = Canvas("wide", 7.2, 9.5)
NARROW = Canvas("narrow", 3.5, 8.5)
FILE = Canvas("file", 7.2, 9.5, titled=True)


def plain(text: str) -> str:
    """Text without the control characters that an SVG may not hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter == " ")


def plain_figure(figure: Figure) -> Figure:
    """A figure all of whose words can stand in an SVG."""
    return Figure.model_validate(_plain(figure.model_dump()))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return plain(value) or "?" if value else value
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_plain(each) for each in value)
    return value
