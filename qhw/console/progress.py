"""Long work, shown: a bar on a terminal, a line every minute elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_SECONDS = 60.0
"""Between two lines where output is no terminal."""


class Bar(Protocol):
    """What long work tells about itself."""

    def at(self, completed: float) -> None:
        """How much of the total is done; parts count."""

    def say(self, line: str) -> None:
        """What is being done."""


@contextmanager
def long_work(
    console: Console, title: str, total: float | None = None, done: float = 0.0
) -> Iterator[Bar]:
    """Show work while this context is open.

    Args:
        console: Where; one that is quiet shows nothing.
        title: What is shown until the work says more.
        total: How much there is to do; None where that is not known.
        done: How much of it was done before.
    """
    if console.is_terminal and not console.quiet:
        with _progress(console, total) as progress:
            bar = _TerminalBar(progress, progress.add_task(title, total=total))
            bar.at(done)
            yield bar
        return
    lines = _Lines(console, title, total, done)
    ticking = threading.Thread(target=lines.tick, daemon=True)
    ticking.start()
    try:
        yield lines
    finally:
        lines.ended.set()
        ticking.join()


def _progress(console: Console, total: float | None) -> Progress:
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    title, elapsed = TextColumn("{task.description}"), TimeElapsedColumn()
    if total is None:
        return Progress(SpinnerColumn(), title, elapsed, console=console, transient=True)
    left = (TextColumn("left"), TimeRemainingColumn())
    return Progress(title, BarColumn(), TaskProgressColumn(), elapsed, *left, console=console)


class _TerminalBar:
    """A bar of the `rich` library."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def at(self, completed: float) -> None:
        self._progress.update(self._task, completed=completed)

    def say(self, line: str) -> None:
        self._progress.update(self._task, description=line)


class _Lines:
    """A line every minute, however long one step of the work takes."""

    def __init__(self, console: Console, title: str, total: float | None, done: float) -> None:
        self._console, self._total = console, total
        self._began, self._first = time.monotonic(), done
        self._completed, self._line = done, title
        self.ended = threading.Event()

    def at(self, completed: float) -> None:
        self._completed = completed

    def say(self, line: str) -> None:
        self._line = line

    def tick(self) -> None:
        """Print until the work has ended."""
        while not self.ended.wait(EVERY_SECONDS):
            self._console.print(self.text(), highlight=False, soft_wrap=True)

    def text(self) -> str:
        """Such as `update 12, return -0.301; 20 %, 0:02:10 so far, about 0:08:40 left`."""
        elapsed = time.monotonic() - self._began
        parts = [f"{_duration(elapsed)} so far"]
        if self._total:
            parts.insert(0, f"{100 * self._completed / self._total:.0f} %")
        if self._total and self._completed > self._first:
            pace = elapsed / (self._completed - self._first)
            parts.append(f"about {_duration(pace * (self._total - self._completed))} left")
        return f"{self._line}; {', '.join(parts)}"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
