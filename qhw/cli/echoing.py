"""Usage errors that echo what was typed, and say where help is."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__bases__[0]
"""Of everything that was typed wrong; typer gives it no name of its own."""


class EchoingGroup(TyperGroup):
    """The commands; typer tells what a value should be, and not what it was."""

    def invoke(self, ctx: Any) -> Any:
        """Call what was typed.

        Raises:
            UsageError: Naming the value, and with the words that show help.
        """
        try:
            return super().invoke(ctx)
        except UsageError as error:
            value = _typed(error)
            if value is not None and repr(value) not in error.message:
                error.message = f"{value!r}: {error.message}"
            if error.ctx is None:
                command = f"{ctx.command_path} {ctx.invoked_subcommand}"
                error.message += f" Try '{command} --help' for help."
            raise


def _typed(error: Exception) -> object:
    """The value that pydantic refused on typer's behalf; None if it was something else."""
    from pydantic import ValidationError

    cause = error.__cause__
    return cause.errors()[0]["input"] if isinstance(cause, ValidationError) else None
