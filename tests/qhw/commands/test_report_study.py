"""`qhw report study`: a page out of what `qhw study` left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhw.cli.app import app
from qhw.commands.report_study import report_study
from qhw.errors import DamagedFileError, DataError, UnknownNameError
from qhw.studies.trained import catalogue
from qhw.studies.trained.circuit_facts import CircuitFacts
from qhw.studies.trained.comparing import differences, record, rows_of
from tests.qhw.reports.chromium import Chromium, find_chromium
from tests.qhw.reports.test_page import Outline
from tests.qhw.studies.trained.test_comparing import ARMS, STUDY

NAME = "made_up"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Figures of a study of known outcomes."""
    monkeypatch.setitem(catalogue.STUDIES, NAME, STUDY)
    about = {
        "latents": 400,
        "settings": {},
        "command": "qhw study made_up --seeds 5",
        "missing": [],
    }
    first, *others = ARMS
    facts = CircuitFacts(125.2, 0.0123, None, 0.04)
    arms = {first: replace(ARMS[first], circuit=facts), **{name: ARMS[name] for name in others}}
    figures = {**about, **record(rows_of(arms), differences(STUDY, arms))}
    (tmp_path / f"{NAME}.json").write_text(json.dumps(figures))
    return tmp_path


def test_the_page_says_the_verdict_first(folder: Path) -> None:
    done = CliRunner().invoke(app, ["report", "study", NAME, "--folder", str(folder)])
    assert done.exit_code == 0
    page = Outline((folder / "made_up.html").read_text(encoding="utf-8"))
    assert page.open == []
    answer, table = page.text.index("b returns more, by 0.030"), page.text.index("Comparisons")
    assert page.text.index("Is more better?") < answer < table
    assert "qhw study made_up --seeds 5" in page.text
    assert page.all("nav"), "the page's layout and its script ask for one"
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
        "made_up-arms.csv", "made_up-circuits.csv", "made_up-comparisons.csv",
        "made_up-differences_return_numbers.csv",
    }  # fmt: skip
    assert (folder / "figures" / "made_up-differences_return.pdf").stat().st_size > 1000


def test_what_is_known_of_circuits_stands_there_where_it_is_known(folder: Path) -> None:
    report_study(NAME, folder)
    told = (folder / "tables" / "made_up-circuits.csv").read_text()
    assert "125.2" in told and "0.0123" in told
    path = folder / f"{NAME}.json"
    figures = json.loads(path.read_text())
    for arm in figures["arms"]:
        del arm["circuit"]
    path.write_text(json.dumps(figures))  # as it was kept before
    (folder / "tables" / "made_up-circuits.csv").unlink()
    report_study(NAME, folder)
    assert not (folder / "tables" / "made_up-circuits.csv").exists()


def test_what_is_not_there_or_damaged_is_answered(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="no study named 'made_down'"):
        report_study("made_down", folder)
    with pytest.raises(DataError, match="no figures of the study 'depth'") as no:
        report_study("depth", folder)
    assert "qhw study depth --folder" in no.value.hint
    nothing = {"arms": [], "differences": [], "settings": {}, "latents": 20, "command": ""}
    empty = {**nothing, "missing": ["x (a)"]}
    (folder / f"{NAME}.json").write_text(json.dumps(empty))
    with pytest.raises(DataError, match=r"No training of the study 'made_up' is done: x \(a\)"):
        report_study(NAME, folder)
    (folder / f"{NAME}.json").write_text('{"arms": [{"arm": "a"}]}')
    with pytest.raises(DamagedFileError):
        report_study(NAME, folder)


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is missing: apt install chromium")
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_as_wide_as_there_is_room_and_its_tables_are_sorted(
    folder: Path, tmp_path: Path, width: int
) -> None:
    report_study(NAME, folder)
    with Chromium(tmp_path / "profile") as browser:
        browser.open(folder / "made_up.html", width)
        loud = [e for e in browser.events if e.get("method") == "Runtime.exceptionThrown"]
        room = browser.evaluate("document.querySelector('main').getBoundingClientRect().width")
        buttons = browser.evaluate("document.querySelectorAll('table.sortable th button').length")
    assert loud == []
    assert room > min(width, 1000) * 0.6
    assert buttons > 10
