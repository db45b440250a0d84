"""A finding's tables: CSV files with every digit, and cells as people read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qhw.files import make_folder, replace_file
from qhw.reports.marks import estimate_at
from qhw.reports.numbers import MISSING, common_digits, interval, small
from qhw.reports.scales import axis_label
from qhw.studies.finding import Cell, Column, Estimate, Figure, Finding, Table

MANY_ROWS = 24
"""More are folded away."""


@dataclass(frozen=True)
class ShownCell:
    """A cell on the page; rows are sorted by its key.

    Attributes:
        text: What is read.
        key: Full precision; empty where nothing was measured.
    """

    text: str
    key: str


@dataclass(frozen=True)
class ShownTable:
    """A table on the page.

    Attributes:
        id: The element's, and the name of its file.
        title: Its caption.
        columns: Each with whether it holds numbers, which stand to the right and are sorted by
            size.
        rows: A cell per column.
        reading: How to read it.
    """

    id: str
    title: str
    columns: tuple[tuple[Column, bool], ...]
    rows: tuple[tuple[ShownCell, ...], ...]
    reading: str

    @property
    def long(self) -> bool:
        """Whether it would stand in the way of who reads on."""
        return len(self.rows) > MANY_ROWS

    @property
    def incomplete(self) -> bool:
        """Whether a cell is missing."""
        return any(not cell.key for row in self.rows for cell in row)


def shown(study: str, table: Table) -> ShownTable:
    """A table as the page shows it."""
    cells = [(column, _cells(table, k)) for k, column in enumerate(table.columns)]
    columns = tuple((column, _is_numeric(column, known)) for column, known in cells)
    digits = [_digits(column, known) for column, known in cells]
    rows = tuple(
        tuple(_shown_cell(cell, places) for cell, places in zip(row, digits, strict=True))
        for row in table.rows
    )
    return ShownTable(f"{study}-{table.id}", table.title, columns, rows, table.reading)


def numbers_of(figure: Figure) -> Table:
    """The numbers that a figure draws, one row per point."""
    rows: list[tuple[Cell, ...]] = []
    for series in figure.series:
        for k, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            rows.append((series.name, x, estimate_at(series, k) or y))
    rows += [(each.name, None, each.value) for each in figure.references if each.axis == "y"]
    rows += [(each.name, each.value, None) for each in figure.references if each.axis == "x"]
    value = "value" if figure.kind == "matrix" else axis_label(figure.y)
    row = axis_label(figure.y) if figure.kind == "matrix" else "series"
    return Table(
        id=f"{figure.id}_numbers",
        title=figure.title,
        columns=(Column(name=row), Column(name=axis_label(figure.x)), Column(name=value)),
        rows=tuple(rows),
        reading=figure.reading,
    )


def save_tables(folder: Path, finding: Finding) -> list[Path]:
    """Write each table, and the numbers of each figure, as `STUDY-ID.csv`."""
    make_folder(folder)
    paths = []
    for table in (*finding.tables, *map(numbers_of, finding.figures)):
        path = folder / f"{finding.study}-{table.id}.csv"
        replace_file(path, as_csv(table).encode())
        paths.append(path)
    return paths


def as_csv(table: Table) -> str:
    """A table with all digits; an estimate takes three columns, what is missing stays empty."""
    wide = [
        any(isinstance(cell, Estimate) for cell in _cells(table, k))
        for k in range(len(table.columns))
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        name for column, w in zip(table.columns, wide, strict=True) for name in _heads(column, w)
    )
    for row in table.rows:
        writer.writerow(
            value for cell, w in zip(row, wide, strict=True) for value in _values(cell, w)
        )
    return file.getvalue()


def _shown_cell(cell: Cell, digits: int | None) -> ShownCell:
    if cell is None:
        return ShownCell(MISSING, "")
    if isinstance(cell, Estimate):
        return ShownCell(interval(cell, digits), repr(cell.value))
    if isinstance(cell, str):
        return ShownCell(cell, cell)
    return ShownCell(small(cell, digits), repr(cell))


def _digits(column: Column, cells: Sequence[Cell]) -> int | None:
    """Digits after the point: the column's own, or what its intervals allow."""
    estimates = [cell for cell in cells if isinstance(cell, Estimate)]
    return common_digits(estimates) if column.digits is None and estimates else column.digits


def _is_numeric(column: Column, cells: Sequence[Cell]) -> bool:
    """Whether everything in it is a number; a column of shots may end with the word `exact`."""
    words = [cell for cell in cells if isinstance(cell, str)]
    known = [cell for cell in cells if cell is not None]
    return not words if known else column.digits is not None


def _cells(table: Table, k: int) -> list[Cell]:
    return [row[k] for row in table.rows]


def _heads(column: Column, wide: bool) -> list[str]:
    name = f"{column.name} ({column.unit})" if column.unit else column.name
    return [name, f"{name} low", f"{name} high"] if wide else [name]


def _values(cell: Cell, wide: bool) -> list[str]:
    if isinstance(cell, Estimate):
        return [repr(cell.value), repr(cell.low), repr(cell.high)]
    text = "" if cell is None else cell if isinstance(cell, str) else repr(cell)
    return [text, "", ""] if wide else [text]
