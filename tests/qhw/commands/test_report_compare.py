"""`qhw report compare` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhw.cli.report import report_app
from qhw.errors import DataError
from qhw.reports.page import render
from tests.qhw.reports.findings import write_report
from tests.qhw.reports.test_comparison import report


@pytest.fixture
def reports(tmp_path: Path) -> list[str]:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder, values in zip(folders, [(0.1, 0.2), (0.5, 0.2)], strict=True):
        render(write_report(folder, report(f"fake_{folder.name}", *values)))
    return [str(folder) for folder in folders]


def test_both_are_laid_side_by_side(reports: list[str]) -> None:
    done = CliRunner().invoke(report_app, ["compare", *reports], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    assert "fake_one" in done.output and "fake_other" in done.output
    assert "What noise costs" in done.output
    assert "0.1 [below 0, 1]" in done.output, "brackets are no markup"
    assert "2 numbers are in both with an interval; 1 differ by more" in done.output
    assert "+0.400 [0.386, 0.414]" in done.output


def test_as_json(reports: list[str]) -> None:
    done = CliRunner().invoke(report_app, ["compare", *reports, "--json"])
    told = json.loads(done.stdout)
    assert told["reports"] == reports
    assert told["facts"][0] == {"title": "device", "one": "fake_one", "other": "fake_other"}
    assert [each["apart"] for each in told["differences"]] == [True, False]
    assert told["differences"][0]["change"]["value"] == pytest.approx(0.4)
    assert told["changes"]["What noise costs"]["value"] == pytest.approx(0.4)


def test_a_folder_without_a_report_is_refused(reports: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(report_app, ["compare", reports[0], str(tmp_path / "none")])
    assert isinstance(done.exception, DataError)
    assert "holds no report" in done.exception.message
