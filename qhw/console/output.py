"""What a command says where: to people, or as JSON to programs.

With `--json` a command's result is one JSON value on standard output, and what people read while
they wait goes to standard error. With `--quiet` only results and errors are printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from rich.console import Console


@dataclass(frozen=True)
class Output:
    """How this process speaks.

    Attributes:
        quiet: Results alone.
        as_json: Results as JSON.
    """

    quiet: bool = False
    as_json: bool = False


_TO_PEOPLE = Output()
_OUTPUT = ContextVar("output", default=_TO_PEOPLE)


def speak(output: Output) -> None:
    """Choose how this process speaks from now on."""
    _OUTPUT.set(output)


def terminal() -> Console:
    """Where people are told what goes on."""
    output = _OUTPUT.get()
    return Console(quiet=output.quiet, stderr=output.as_json)


def show(record: Any, print_it: Callable[[Console], None]) -> None:
    """Give a command's result: as JSON if that is wanted, printed for people otherwise.

    Args:
        record: The result, as plain JSON.
        print_it: Prints it.
    """
    if _OUTPUT.get().as_json:
        print(json.dumps(record, indent=2))
    else:
        print_it(Console())
