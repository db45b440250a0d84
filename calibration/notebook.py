"""HTML for objects that show themselves in a notebook: a small table, lines of text.

It lies in a lower package, which cannot import `qhw`, so that both have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str = "",
    right: Sequence[bool] | None = None,
) -> str:
    """Render a table; every text is escaped.

    Args:
        columns: Headings.
        rows: A text for each column.
        title: Stands above; none if empty.
        right: Whether a column stands to the right, as numbers do; all but the first by default.
    """
    sides = right if right is not None else [k > 0 for k in range(len(columns))]
    styles = [f"text-align:{'right' if side else 'left'}" for side in sides]
    caption = f'<caption style="text-align:left">{escape(title)}</caption>' if title else ""
    head = _row("th", columns, styles)
    body = "".join(_row("td", row, styles) for row in rows)
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def html_lines(*lines: str) -> str:
    """Render each line as a paragraph, escaped; empty ones are left out."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines if line)


def html_folded(summary: str, *lines: str) -> str:
    """Render lines that are shown when the summary is clicked on."""
    return f"<details><summary>{escape(summary)}</summary>{html_lines(*lines)}</details>"


def _row(tag: str, cells: Sequence[str], styles: Sequence[str]) -> str:
    pairs = zip(cells, styles, strict=True)
    inner = "".join(f'<{tag} style="{style}">{escape(cell)}</{tag}>' for cell, style in pairs)
    return f"<tr>{inner}</tr>"
