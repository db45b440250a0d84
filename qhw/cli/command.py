"""What every command that prints results takes: `--json` and `--quiet`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Annotated, Any, cast

import typer

OUTPUT = "Output"
"""Panel of the help."""

_OPTIONS = {
    "as_json": typer.Option(
        "--json", help="Print the result as JSON, the rest to stderr.", rich_help_panel=OUTPUT
    ),
    "quiet": typer.Option("--quiet", "-q", help="Print the result alone.", rich_help_panel=OUTPUT),
}


def speaks(command: Callable[..., None]) -> Callable[..., None]:
    """The command with `--json` and `--quiet` beside its own options; see `qhw.console.output`."""

    def called(*, as_json: bool, quiet: bool, **values: Any) -> None:
        from qhw.console.output import Output, speak

        speak(Output(quiet, as_json))
        command(**values)

    own = signature(command, eval_str=True)
    ours = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option])
        for name, option in _OPTIONS.items()
    ]
    cast(Any, called).__signature__ = own.replace(parameters=[*own.parameters.values(), *ours])
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called
