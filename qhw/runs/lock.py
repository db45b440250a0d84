"""One process at a time in a folder: two would overwrite its files and spend its limits twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qhw.console.tables import from_here
from qhw.errors import BusyError
from qhw.files import make_folder, writing

LOCK_FILE = "lock"
LOOK_SECONDS = 0.5
"""Longer than anybody holds the lock who only looks whether it is held."""


def in_use(folder: Path) -> bool:
    """Whether another process, or another thread of this one, is at work in a folder."""
    return held(folder / LOCK_FILE)


def held(path: Path) -> bool:
    """Whether another process, or another thread of this one, holds the lock of a file."""
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True


@contextmanager
def sole_use(folder: Path, name: str = LOCK_FILE) -> Iterator[None]:
    """Keep other processes out of a folder's work; it is freed when this one ends, however.

    Args:
        folder: Is made when missing.
        name: Of the lock's file: one for each kind of work that may go on beside another.

    Raises:
        BusyError: If another process, or another thread of this one, is at work there.
        OutputError: If nothing can be written there.
    """
    make_folder(folder)
    lock = FileLock(folder / name, timeout=LOOK_SECONDS)
    with writing(folder):
        try:
            lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"Another process is at work in {from_here(folder)}.",
                "Wait until it ends, or stop it, then type the same command again.",
            ) from error
    try:
        yield
    finally:
        lock.release()
