"""A task for a cluster, and what one machine must have to do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

GIB = 1024**3


@dataclass(frozen=True)
class Needs:
    """What a task holds while it is done.

    Attributes:
        cores: Of a processor.
        memory: Bytes.
        gpus: Whole ones.
    """

    cores: int = 1
    memory: int = GIB
    gpus: int = 0

    def __str__(self) -> str:
        gpus = f", {self.gpus} GPU" if self.gpus else ""
        return f"{self.cores} core, {self.memory / GIB:.1f} GiB{gpus}"


@dataclass(frozen=True)
class Work:
    """Many tasks of one kind.

    Attributes:
        do: What is done on another machine with a task's facts; importable there by name. It keeps
            its result itself, and what it returns stays there.
        tasks: Facts by the tasks' names.
        needs: Of each of them.
        tries: How often a task is begun at most, for whatever reason it did not end well.
    """

    do: Callable[[Any], None]
    tasks: Mapping[str, Any]
    needs: Needs
    tries: int = 3


@dataclass(frozen=True)
class Ended:
    """A task that will not be begun again.

    Attributes:
        name: The task's.
        error: Why it failed the last time, in one line; None where it was done.
        trace: Where in the code, for those who mend it; empty where that is not known.
    """

    name: str
    error: str | None = None
    trace: str = ""


@dataclass(frozen=True)
class Progress:
    """How many tasks are where."""

    running: int
    waiting: int
    done: int
    failed: int

    def __str__(self) -> str:
        return (
            f"{self.running} running, {self.waiting} waiting, {self.done} done, "
            f"{self.failed} failed"
        )
