"""`qhw models`: bundles by name or folder."""

from __future__ import annotations

from typing import Annotated

import typer

from qhw.cli.command import speaks
from qhw.cli.completion import complete_model

models_app = typer.Typer(help="Model bundles: networks and their cards.", no_args_is_help=True)
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name that ships, or a folder.", autocompletion=complete_model
    ),
]


@models_app.command("list")
@speaks
def models_list() -> None:
    """Show the bundles that ship with the package.

    Example: `qhw models list`
    """
    from qhw.commands.models import print_models

    print_models()


@models_app.command("card")
@speaks
def models_card(model: ModelArgument) -> None:
    """Show what a bundle is, how it was made, and how good it is.

    Example: `qhw models card fashion-mnist`
    """
    from qhw.commands.models import print_card

    print_card(model)


@models_app.command("check")
@speaks
def models_check(model: ModelArgument) -> None:
    """Check a bundle's files and networks; the exit code is not 0 if one is not as its card says.

    Example: `qhw models check my-bundle`
    """
    from qhw.commands.models import check_model

    check_model(model)
