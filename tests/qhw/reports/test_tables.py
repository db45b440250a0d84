from __future__ import annotations

import csv
import io

from qhw.reports.tables import as_csv, numbers_of, shown
from qhw.studies.finding import Column, Estimate, Table
from tests.qhw.reports.findings import EVIL, feature_table, noise_scale, shots, task


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_a_csv_keeps_every_digit_and_gives_intervals_columns_of_their_own() -> None:
    table = Table(
        id="t",
        title="t",
        columns=(Column(name="name"), Column(name="time", unit="s", digits=1)),
        rows=((EVIL, Estimate(value=1 / 3, low=0.25, high=0.5)), ("b", None), ("c", 2.0)),
        reading="r",
    )
    assert rows(as_csv(table)) == [
        ["name", "time (s)", "time (s) low", "time (s) high"],
        [EVIL, repr(1 / 3), "0.25", "0.5"],
        ["b", "", "", ""],
        ["c", "2.0", "", ""],
    ]


def test_the_numbers_of_a_figure_are_all_there() -> None:
    figure = noise_scale().figures[0]
    table = numbers_of(figure)
    points = sum(len(series.x) for series in figure.series)
    assert len(table.rows) == points + len(figure.references)
    assert ("trained on fake_brisbane", 8.0, None) in table.rows
    assert ("best constant", None, 0.0) in table.rows


def test_a_matrix_lists_rows_columns_and_values() -> None:
    table = numbers_of(task().figures[0])
    assert [column.name for column in table.columns] == ["trained on", "played on", "value"]


def test_cells_are_sorted_by_full_precision_and_missing_ones_have_no_key() -> None:
    view = shown("features", feature_table())
    assert [numeric for _, numeric in view.columns] == [False, False, True, True, True]
    missing = next(row for row in view.rows if row[3].key == "")
    assert missing[3].text == "–"
    assert view.incomplete
    first = feature_table().rows[0][3]
    assert isinstance(first, Estimate)
    assert view.rows[0][3].key == repr(first.value)


def test_a_column_with_one_word_is_text() -> None:
    view = shown("shots", numbers_of(shots().figures[0]))
    assert not view.columns[1][1]
    assert view.rows[4][1].text == "16,384"
