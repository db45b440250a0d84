"""The page that asks people: one HTML file, with the pictures in it and not whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qhw.files import replace_file
from qhw.reports.page import filled


@dataclass(frozen=True)
class Shown:
    """One question on the page.

    Attributes:
        label: Name of the wanted class.
        left: The left picture, an address that holds it.
        right: The right one.
    """

    label: str
    left: str
    right: str


def write_human_page(path: Path, page: str, questions: Sequence[Shown]) -> None:
    """Write the page.

    Args:
        path: The file.
        page: Its name, which answers repeat.
        questions: In their order.
    """
    text = filled("human.html.j2", script="human.js", page=page, questions=questions)
    replace_file(path, text.encode())
