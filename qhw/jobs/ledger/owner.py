"""Which process began a unit of work, and whether it is still at it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

PROC = Path("/proc")
ENDED = ("Z", "X")
"""States of a process that has ended but is still listed."""


def this_owner() -> str:
    """This process as `host:pid:start time`; the start time tells apart two uses of one pid."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_start_time(pid) or 0}"


def owner_alive(owner: str) -> bool:
    """Whether that process still runs; one on another host is taken to be alive.

    Args:
        owner: As `this_owner` wrote it.
    """
    host, pid, started = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    if (PROC / "self" / "stat").exists():
        return _start_time(int(pid)) == int(started)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot to the process's start; None if it has ended, or without /proc."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets, and may hold brackets and blanks itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ENDED else int(fields[19])
