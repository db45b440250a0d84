"""Usage errors that echo what was typed, and say where help is."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__bases__[0]
"""Of everything that was typed wrong; typer gives it no name of its own."""


_A_SLIP = 0.8
"""Likeness, as difflib counts it, from which on one word is taken for another."""


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
            _name_the_setting(error)
            value = _typed(error)
            if value is not None and repr(value) not in error.message:
                error.message = f"{value!r}: {error.message}"
            if error.ctx is None:
                command = f"{ctx.command_path} {ctx.invoked_subcommand}"
                error.message += f" Try '{command} --help' for help."
            raise


def _name_the_setting(error: Any) -> None:
    """Where there is no such option, but a setting of that name or near it, tell how to set it."""
    if not hasattr(error, "possibilities") or _like(error.option_name, error.possibilities):
        return
    if not any("--set" in each.opts for each in error.ctx.command.params):
        return
    from qhw.config.catalogue import every_setting
    from qhw.config.setting import nearest_settings

    name = error.option_name.lstrip("-").replace("-", "_")
    near = nearest_settings(name, every_setting())
    if near:
        meant = " or ".join(f"--set {name}=VALUE" for name in near)
        error.message += f". Did you mean {meant}?"
        error.possibilities = []


def _like(option: str, others: Sequence[str] | None) -> bool:
    """Whether an option is called so, but for a slip."""
    return bool(get_close_matches(option, others or (), cutoff=_A_SLIP))


def _typed(error: Exception) -> object:
    """The value that pydantic refused on typer's behalf; None if it was something else."""
    from pydantic import ValidationError

    cause = error.__cause__
    return cause.errors()[0]["input"] if isinstance(cause, ValidationError) else None
