"""`qhw export`, `qhw push`, `qhw pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qhw.cli.options import described
from qhw.cli.runs import RunArgument, RunsOption


def export(
    run_path: RunArgument = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help=described("A new folder", "default: controller-RUN here")
        ),
    ] = None,
    runs: RunsOption = Path("runs"),
) -> None:
    """Write a run's controller to a folder that `qhw.load_controller` opens without the run.

    Example: `qhw export latest my-controller`
    """
    from qhw.files import refuse_existing
    from qhw.runs.directory import open_run

    run = open_run(run_path or runs / "latest", runs)
    path = folder or Path(f"controller-{run.name}")
    refuse_existing(path)
    from qhw.commands.sharing import export_run

    export_run(run, path)


def push(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="An exported controller, or a bundle.")
    ],
    repo: Annotated[
        str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hugging Face hub.")
    ],
    private: Annotated[
        bool, typer.Option(help="Refuse a public repository; make a new one private.")
    ] = False,
) -> None:
    """Upload a controller or a bundle to the Hugging Face hub.

    Example: `qhw push my-controller me/my-controller --private`
    """
    from qhw.commands import sharing

    sharing.push(folder, repo, private=private)


def pull(
    repo: Annotated[
        str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hugging Face hub.")
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help=described("A new folder", "default: NAME here")),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help=described("Branch, tag or commit", "default: the newest"))
    ] = None,
) -> None:
    """Download a controller or a bundle from the Hugging Face hub, and check that it is whole.

    Example: `qhw pull me/my-controller`
    """
    from qhw.commands import sharing

    sharing.pull(repo, folder, revision)
