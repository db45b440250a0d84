"""`qhw report study`: a page out of what `qhw study` left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhw.cli.app import app
from qhw.commands.report_study import report_study
from qhw.errors import DamagedFileError, DataError, UnknownNameError
from qhw.studies.trained import catalogue
from qhw.studies.trained.comparing import differences, record, rows_of
from tests.qhw.reports.test_page import Outline
from tests.qhw.studies.trained.test_comparing import ARMS, STUDY

NAME = "made_up"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Figures of a study of known outcomes."""
    monkeypatch.setitem(catalogue.STUDIES, NAME, STUDY)
    about = {"latents": 400, "command": "qhw study made_up --seeds 5", "missing": []}
    figures = {**about, **record(rows_of(ARMS), differences(STUDY, ARMS))}
    (tmp_path / f"{NAME}.json").write_text(json.dumps(figures))
    return tmp_path


def test_the_page_says_the_verdict_first(folder: Path) -> None:
    done = CliRunner().invoke(app, ["report", "study", NAME, "--folder", str(folder)])
    assert done.exit_code == 0
    page = Outline((folder / "made_up.html").read_text(encoding="utf-8"))
    assert page.open == []
    answer, table = page.text.index("b returns 0.030"), page.text.index("Comparisons")
    assert page.text.index("Is more better?") < answer < table
    assert "qhw study made_up --seeds 5" in page.text
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    outside = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href"}
        and value
        and not value.startswith(("data:", "#", "https://arxiv"))
    ]
    assert outside == []


def test_figures_and_tables_lie_beside_it(folder: Path) -> None:
    report_study(NAME, folder)
    assert {path.name for path in (folder / "tables").iterdir()} == {
        "made_up-arms.csv", "made_up-comparisons.csv", "made_up-differences_numbers.csv",
    }  # fmt: skip
    assert (folder / "figures" / "made_up-differences.pdf").stat().st_size > 1000


def test_what_is_not_there_or_damaged_is_answered(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="no study named 'made_down'"):
        report_study("made_down", folder)
    with pytest.raises(DataError, match="no figures of the study 'depth'") as no:
        report_study("depth", folder)
    assert "qhw study depth --folder" in no.value.hint
    (folder / f"{NAME}.json").write_text('{"arms": [{"arm": "a"}]}')
    with pytest.raises(DamagedFileError):
        report_study(NAME, folder)
