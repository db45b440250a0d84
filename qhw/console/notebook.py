"""What a command prints, as a notebook shows it: one table, made once for both."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from calibration.notebook import html_lines, html_table


def table_html(table: Table | str) -> str:
    """Render a printed table as HTML, escaped; words in place of one as a line."""
    if isinstance(table, str):
        return html_lines(table)
    columns = [list(map(_plain, column.cells)) for column in table.columns]
    return html_table(
        [_plain(column.header) for column in table.columns],
        list(zip(*columns, strict=True)),
        _plain(table.title or ""),
        [column.justify == "right" for column in table.columns],
    )


def _plain(cell: object) -> str:
    """A cell's text without the marks of a terminal."""
    return Text.from_markup(cell).plain.strip() if isinstance(cell, str) else str(cell)
