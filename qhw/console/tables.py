"""Parts of the tables that commands print: nothing is cut at 80 columns."""

from __future__ import annotations

import re
import shutil
import textwrap
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from diffusion.comparison import Interval


_STEERING = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, the cursor
    r"|(?:\x1b\]|\x9d).*?(?:\x07|\x1b\\|\x9c)"  # titles, links
)


def print_facts(console: Console, facts: dict[str, Any]) -> None:
    """Print names and values, as many to a line as fit."""
    console.print(" | ".join(f"{key}: {value}" for key, value in facts.items()))


def plain_table(title: str, *names: str) -> Table:
    """A table without frames that fits 80 columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0)
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def folded(text: str) -> str:
    """Text broken between words at the terminal's width; a command in backquotes stays whole."""
    width = shutil.get_terminal_size().columns
    whole = re.sub("`[^`]*`", lambda command: command[0].replace(" ", "\0"), text)
    lines = (
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in whole.split("\n")
    )
    return "\n".join(lines).replace("\0", " ")


def printable(text: str) -> str:
    """Text from elsewhere without what steers a terminal; line ends and tabs stay."""
    plain = _STEERING.sub("", text)
    return "".join(c for c in plain if c in "\n\t" or unicodedata.category(c)[0] != "C")


def from_here(path: Path) -> Path:
    """A path as people would type it: relative where it lies below the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def listing(*names: str) -> Table:
    """A table of words: what does not fit is folded, never cut."""
    table = Table(box=box.SIMPLE, padding=0)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def signed(interval: Interval, digits: int = 3) -> str:
    """An estimate and its interval, such as +0.123 [-0.010, +0.210]; ten and more lose a digit."""
    numbers = (interval.estimate, interval.low, interval.high)
    shown = digits - (max(abs(number) for number in numbers) >= 10)
    estimate, low, high = (f"{number:+.{shown}f}" for number in numbers)
    return f"{estimate} [{low}, {high}]"


def resolved(interval: Interval, resolution: float) -> str:
    """As `signed` with two digits, and a ~ where it is not told from 0 at that resolution."""
    return signed(interval, 2) + (" " if interval.is_beyond(resolution) else "~")


def moment(seconds: float) -> str:
    """A time on our own clock, such as `2026-08-01 12:03:44 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def platform_moment(stamp: str) -> str:
    """A platform's date in the same form; verbatim if it is in no form that is known."""
    try:
        return moment(datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return stamp
