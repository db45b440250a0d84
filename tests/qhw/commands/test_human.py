"""`qhw human`: a page that does not know whose pictures are whose, and what answers come to."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from qhw.cli.app import app
from qhw.commands.human import KEY, PAGE
from qhw.errors import ConfigError, DamagedFileError, DataError
from tests.qhw.controllers.conftest import trained_once
from tests.qhw.reports.chromium import Chromium, find_chromium

SETTINGS = {
    "environment": {"steps": 2},
    "ppo": {"updates": 1, "environments": 4},
    "backend": {"name": "aer"},
    "evaluation": {"latents": 20},
}


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, ["human", *words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions on a tiny run, against another."""
    place = tmp_path_factory.mktemp("human")
    runs = [
        trained_once(place, name, {**SETTINGS, "seed": seed, "environment": {
            "steps": 2, "cfg_base": base}})
        for seed, (name, base) in enumerate({"mine": 1.2, "other": 4.0}.items())
    ]  # fmt: skip
    sizes = ("--pairs", "12", "--repeated", "3", "--latents", "40")
    done = typed("ask", str(runs[0].path), "--against", str(runs[1].path), *sizes, "--out",
                 str(place / "asked"))  # fmt: skip
    assert done.exit_code == 0, done.exception
    assert "15 questions, mine against other" in " ".join(done.stdout.split())
    return place / "asked"


def test_the_page_does_not_say_whose_pictures_are_whose(folder: Path) -> None:
    page, key = (folder / PAGE).read_text(), json.loads((folder / KEY).read_text())
    assert "mine" not in page
    assert "other" not in re.sub(r"(An|an)other", "", page)
    assert key["page"] in page
    assert page.count('class="question"') == len(key["questions"]) == 15


def test_both_pictures_of_a_pair_are_there_on_the_side_of_the_key(folder: Path) -> None:
    page, key = (folder / PAGE).read_text(), json.loads((folder / KEY).read_text())
    shown = re.findall(
        r'data-left="data:image/png;base64,([^"]+)" data-right="[^,]+,([^"]+)"', page
    )
    pixels = [
        [np.asarray(Image.open(io.BytesIO(base64.b64decode(side)))) for side in pair]
        for pair in shown
    ]
    assert all(pair[0].shape == (16, 16) for pair in pixels)
    place = {q["latent"]: k for k, q in enumerate(key["questions"]) if not q["repeats"]}
    again = [(k, q["latent"]) for k, q in enumerate(key["questions"]) if q["repeats"]]
    for k, latent in again:
        before = pixels[place[latent]]
        assert (pixels[k][0] == before[1]).all()
        assert (pixels[k][1] == before[0]).all()
        assert (before[0] != before[1]).any()


def answer(folder: Path, person: str, take: str) -> None:
    """Save answers of one who takes the first arm's picture, or always a side."""
    key = json.loads((folder / KEY).read_text())
    sides = [
        take if take != "first" else ("left" if question["first_is_left"] else "right")
        for question in key["questions"]
    ]
    record = {"page": key["page"], "person": person, "answers": sides, "milliseconds": []}
    (folder / f"answers-{person}.json").write_text(json.dumps(record))


def test_answers_are_told(folder: Path) -> None:
    answer(folder, "Ada", "first")
    done = typed("tell", str(folder))
    assert done.exit_code == 0, done.exception
    assert "mine is preferred to other" in done.stdout
    assert "1.00 [1.00, 1.00]" in done.stdout
    assert "mine's pictures are preferred to other's, p = " in " ".join(done.stdout.split())
    answer(folder, "Bo", "neither")
    told = json.loads(typed("tell", str(folder), "--json").stdout)
    assert (told["people"], told["pairs"], told["undecided"]) == (2, 12, 0.5)
    assert (folder / "preference.json").is_file()
    alone = typed("tell", str(folder), str(folder / "answers-Bo.json")).stdout
    assert "No preference between mine and other is seen." in " ".join(alone.split())


def test_what_cannot_be_is_refused(folder: Path, tmp_path: Path) -> None:
    run = folder.parent / "mine"
    asked = typed("ask", str(run), "--out", str(folder))
    assert isinstance(asked.exception, ConfigError)
    assert "holds questions already" in str(asked.exception)
    few = typed("ask", str(run), "--pairs", "30", "--latents", "20", "--out", str(tmp_path / "x"))
    assert "--latents 20 are fewer than --pairs 30" in str(few.exception)
    same = typed("ask", str(run), "--against", str(run), "--out", str(tmp_path / "x"))
    assert isinstance(same.exception, DataError)
    assert not (tmp_path / "x").exists()
    assert "holds no questions" in str(typed("tell", str(tmp_path)).exception)
    (tmp_path / KEY).write_bytes((folder / KEY).read_bytes())
    assert "There are no answers" in str(typed("tell", str(tmp_path)).exception)
    (tmp_path / "answers.json").write_text("{}")
    assert isinstance(typed("tell", str(tmp_path)).exception, DamagedFileError)


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is missing: apt install chromium")
def test_keys_answer_and_what_is_saved_is_read(folder: Path, tmp_path: Path) -> None:
    page = Path(tmp_path / "asked")
    page.mkdir()
    for name in (PAGE, KEY):
        (page / name).write_bytes((folder / name).read_bytes())
    with Chromium(tmp_path / "profile") as browser:
        browser.open(page / PAGE)
        assert browser.evaluate("document.getElementById('ask').hidden")
        browser.evaluate("document.getElementById('person').value = 'Ada B.'")
        browser.evaluate("document.getElementById('start').click()")
        press = "document.dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
        for key in ("ArrowLeft", "ArrowRight", "Backspace", "ArrowDown", *["ArrowLeft"] * 20):
            browser.evaluate(press % key)
        assert not browser.evaluate("document.getElementById('end').hidden")
        record = browser.evaluate("JSON.stringify(record())")
        loud = [e for e in browser.events if e.get("method") == "Runtime.exceptionThrown"]
    assert loud == []
    (page / "answers-Ada.json").write_text(record)
    assert json.loads(record)["answers"] == ["left", "neither", *["left"] * 13]
    told = json.loads(typed("tell", str(page), "--json").stdout)
    assert told["consistency"] is not None
    assert told["pairs"] == 12
