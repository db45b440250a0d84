"""`qhw human`: what people prefer, asked blind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qhw.cli.command import speaks
from qhw.cli.completion import complete_run

human_app = typer.Typer(help="What people prefer, asked blind.", no_args_is_help=True)


@human_app.command()
@speaks
def ask(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Trained.", autocompletion=complete_run)
    ],
    against: Annotated[
        str, typer.Option(help="constant or rule, the best of its kind, or another run.")
    ] = "constant",
    pairs: Annotated[int, typer.Option(min=1, help="Pairs that are asked.")] = 60,
    repeated: Annotated[int, typer.Option(min=0, help="Of these, how many come twice.")] = 10,
    latents: Annotated[int, typer.Option(min=20, help="Played; pairs are drawn from them.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder of the questions.")] = Path("human"),
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
) -> None:
    """Write a page that asks which of two pictures is better, without saying whose they are.

    Example: `qhw human ask runs/latest --against rule`
    """
    from qhw.commands.human import AskRequest, ask_people
    from qhw.runs.directory import open_run

    ask_people(AskRequest(open_run(run), against, pairs, repeated, latents, seed), out)


@human_app.command()
@speaks
def tell(
    folder: Annotated[Path, typer.Argument(help="Folder of the questions.")] = Path("human"),
    answers: Annotated[
        list[Path] | None,
        typer.Argument(help="Files that the page saved; those in the folder if none."),
    ] = None,
) -> None:
    """Tell what people prefer, and whether proxy and judges agree with them.

    Example: `qhw human tell human`
    """
    from qhw.commands.human import tell_preference

    tell_preference(folder, answers or [])
