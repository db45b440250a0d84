"""The pages that are written out of the code say what it says now."""

from __future__ import annotations

import pytest

from pages.commands import commands_page
from pages.markdown import plain, table
from pages.python import python_page
from pages.reference import FOLDER, WRITTEN
from pages.settings import settings_page
from qhw import __all__ as face
from qhw.config import every_setting


@pytest.mark.parametrize("name", WRITTEN)
def test_a_page_is_what_the_code_gives(name: str) -> None:
    kept = (FOLDER / name).read_text(encoding="utf-8")
    assert kept == WRITTEN[name](), "type `python -m pages.reference`"


def test_nothing_else_lies_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(WRITTEN)


def test_every_command_stands_there_with_its_options_and_example() -> None:
    sections = commands_page().split("\n## ")
    (train,) = (section for section in sections if section.startswith("qhw train\n"))
    assert "```console\nqhw train --device fake_fez" in train
    assert "| `--noise-scale` | Multiplies the device's errors (0 to 100; default: 1) |" in train
    assert "| `--runs` | Folder that holds the runs (default: runs) |" in train
    assert "Example" not in train
    for name in ("qhw jobs give-up", "qhw plan run", "qhw cache clear", "qhw report noise"):
        assert any(section.startswith(f"{name}\n") for section in sections)


def test_every_setting_stands_there_once_with_its_option() -> None:
    page = settings_page()
    for name in every_setting():
        assert page.count(f"| `{name}` |") == 1
    assert "(`--noise-scale`)" in page


def test_every_name_of_the_face_stands_there_and_no_address_of_memory() -> None:
    page = python_page()
    assert all(f"\n## {name}\n" in page for name in face)
    assert " at 0x" not in page


def test_words_that_markdown_would_take_for_signs_stand_in_backticks() -> None:
    assert (
        plain("fake_* or `ibm_*`, of <Z>\n  and a < b") == "`fake_*` or `ibm_*`, of `<Z>` and a < b"
    )


def test_a_bar_does_not_end_a_cell() -> None:
    assert table(("a", "b"), [("x | y", "z")]) == "| a | b |\n| --- | --- |\n| x \\| y | z |\n"
