"""`qhw config`: every setting that there is."""

from __future__ import annotations

from typing import Annotated

import typer

from qhw.cli.completion import complete_setting
from qhw.cli.options import TRAINING, flag_of


def config(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Settings, or the tables they are in, such as ppo; all by default.",
            autocompletion=complete_setting,
        ),
    ] = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="As a file to edit, for `qhw train --config`.")
    ] = False,
) -> None:
    """Show every setting: default, range, meaning, and the option of `qhw train` that sets it.

    Example: `qhw config ppo`
    """
    from qhw.commands.config import print_settings

    print_settings(names or (), flags_of_train(), toml=toml)


def flags_of_train() -> dict[str, str]:
    """Options of `qhw train` by the settings that they fill."""
    flags = {name: flag_of(name) for panel in TRAINING for name in panel.settings}
    return {**flags, "start_from": "--from"}
