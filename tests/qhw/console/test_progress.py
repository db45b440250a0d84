from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from qhw.console import progress
from qhw.console.progress import long_work


def lines_of(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.fixture
def file_console(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.05)
    return Console(file=io.StringIO(), width=80)


def test_where_output_is_no_terminal_a_line_comes_however_long_a_step_takes(
    file_console: Console,
) -> None:
    with long_work(file_console, "training", total=4, done=1) as bar:
        time.sleep(0.3)
        bar.say("update 2 of 4")
        bar.at(2.5)
        time.sleep(0.3)
    first, *_, last = lines_of(file_console)
    assert re.fullmatch(r"training; 25 %, 0:\d\d:\d\d so far", first)
    since, left = r"0:\d\d:\d\d so far", r"about 0:\d\d:\d\d left"
    assert re.fullmatch(rf"update 2 of 4; 62 %, {since}, {left}", last)


def test_what_is_left_follows_from_what_was_done_here(file_console: Console) -> None:
    with long_work(file_console, "training", total=100, done=90) as bar:
        bar.at(91)
        time.sleep(1.05)
    left = re.search(r"about 0:00:(\d\d) left", lines_of(file_console)[-1])
    assert left is not None
    assert 7 <= int(left[1]) <= 12, "one of ten took a second, whatever was done before"


def test_no_line_comes_once_the_work_has_ended(file_console: Console) -> None:
    with long_work(file_console, "short"):
        pass
    time.sleep(0.2)
    assert lines_of(file_console) == []


def test_the_last_line_is_over_when_the_work_fails(file_console: Console) -> None:
    with pytest.raises(ValueError, match="broken"), long_work(file_console, "work"):
        raise ValueError("broken")
    time.sleep(0.2)
    assert lines_of(file_console) == []


def test_a_quiet_console_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.02)
    console = Console(file=io.StringIO(), quiet=True)
    with long_work(console, "work", total=2) as bar:
        bar.at(1)
        time.sleep(0.1)
    assert lines_of(console) == []


@pytest.mark.parametrize("total", [None, 4.0])
def test_a_terminal_shows_a_bar(total: float | None) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with long_work(console, "training", total, 1.0) as bar:
        bar.say("update 2 of 4")
        bar.at(2.5)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "update 2 of 4" in shown
    assert ("62%" in shown) == (total is not None)
