"""Markdown out of plain words: what generated pages share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTE = "This page is written by `python -m pages.reference` out of the code; do not edit it."


def plain(text: str) -> str:
    """Words that stand in Markdown as they are, such as `fake_*` and `<Z>`.

    What stands in backticks already is left alone.
    """
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    marked = re.compile(r"\w*_\*|<[^>]*>|\w+\*\*\w+")
    return "".join(part if part.startswith("`") else marked.sub(r"`\g<0>`", part) for part in parts)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar within a cell does not end it."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ((cell.replace("|", r"\|") for cell in line) for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
