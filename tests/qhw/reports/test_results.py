"""`results.json`: every number by its name, with its interval, under a schema with a version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhw.errors import DataError
from qhw.reports.page import render
from qhw.reports.results import FILE, VERSION, Results, read_results, results_of, schema
from qhw.studies.finding import Estimate, Finding, Table
from tests.qhw.reports.findings import realistic, shots, write_report

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow  # the page is drawn
def test_what_is_written_beside_the_page_is_read_back(tmp_path: Path) -> None:
    render(write_report(tmp_path, realistic()))
    results = read_results(tmp_path)
    assert results == results_of(realistic())
    assert results.version == VERSION
    assert results.verdict[0].line == "noise_cost"
    assert results.verdict[1].estimate == Estimate(value=3.4, low=2.8, high=4.3)
    assert [each.study for each in results.answers] == [each.study for each in realistic()]


def test_it_is_found_in_the_run_that_it_lies_in(tmp_path: Path) -> None:
    render(write_report(tmp_path / "report", [shots()]))
    assert read_results(tmp_path) == read_results(tmp_path / "report")


def test_every_number_of_tables_and_figures_has_a_name_of_its_own() -> None:
    numbers = results_of(realistic()).numbers
    keys = [number.key for number in numbers]
    assert len(set(keys)) == len(keys)
    by_key = dict(zip(keys, numbers, strict=True))
    drawn = by_key["shots", "time_numbers", "ibm_fez, 64", "QPU time (s)"]
    assert (drawn.value, drawn.low, drawn.high) == (0.9, 0.8, 1.0)
    assert by_key[
        "shots", "gain_by_shots_numbers", "none, exact", "return minus the best constant's"
    ]


def test_rows_are_named_by_their_words_or_first_number_and_told_apart() -> None:
    at = Estimate(value=1.0, low=0.5, high=1.5)
    tables = (
        Table.of("words", "t", ["a", ("n", 0, "s"), ("e", 1)], [("x", 2.0, at)] * 2, "r"),
        Table.of("scale", "t", [("times", 1), ("e", 1)], [(0.5, at), (1.0, None)], "r"),
    )
    found = results_of([Finding(study="shots", question="q", answer="a", tables=tables)])
    told = [(n.table, n.row, n.column, n.value, n.low) for n in found.numbers]
    assert told == [
        ("words", "x", "n (s)", 2.0, None),
        ("words", "x", "e", 1.0, 0.5),
        ("words", "x (2)", "n (s)", 2.0, None),
        ("words", "x (2)", "e", 1.0, 0.5),
        ("scale", "0.5", "times", 0.5, None),
        ("scale", "0.5", "e", 1.0, 0.5),
        ("scale", "1", "times", 1.0, None),
    ]


def test_what_it_is_of_comes_from_where_it_was_run() -> None:
    facts: dict[str, str | int | float] = {"device": "fake_fez", "training seeds": 5}
    made: dict[str, str | int | float] = {
        "qhw": "0.2",
        "acquired": "2026-01-02T03:04:05",
        "commit": "abc",
    }
    findings = [
        Finding(study="task", question="q", answer="a", provenance=facts),
        Finding(study="cost", question="q", answer="a", provenance=made),
    ]
    found = results_of(findings).made
    assert (found.device, found.seeds, found.qhw) == ("fake_fez", 5, "0.2")
    assert (found.acquired, found.commit) == (made["acquired"], "abc")


def test_the_schema_that_is_documented_is_the_one_that_is_read() -> None:
    written = json.loads((ROOT / "docs/reference/results.schema.json").read_text())
    assert written == schema() == Results.model_json_schema()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "holds no report: there is no results.json"),
        ('{"version": 7}', f"is of schema version 7; this qhw reads {VERSION}"),
        ("no json", "is of schema version None"),
        ('{"version": 1}', "is damaged"),
    ],
)
def test_what_is_no_report_is_refused_by_name(
    tmp_path: Path, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(DataError, match=told) as raised:
        read_results(tmp_path)
    assert str(tmp_path) in raised.value.message
    assert "--step render" in raised.value.hint
