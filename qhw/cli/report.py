"""`qhw report`: what the files of runs tell, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qhw.cli.command import speaks
from qhw.cli.completion import complete_study
from qhw.cli.options import described

report_app = typer.Typer(help="Reports on trained controllers.", no_args_is_help=True)


@report_app.command()
@speaks
def noise(
    run_paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Runs: the subject, then other seeds, backends or kinds of actor."
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option(
            help=described(
                "Snapshot whose noise is studied",
                "default: the one that the first run was trained on, fake_brisbane if it was none",
            )
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help=described("Folder of the report", "default: RUN/report"))
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="2,000 latents, and more conditions.")
    ] = False,
    step: Annotated[
        str | None,
        typer.Option(
            help=described("Do one step: acquire, analyse or render", "default: all three")
        ),
    ] = None,
) -> None:
    """Tell what a device's noise does to trained controllers; goes on where it was stopped.

    Example: `qhw report noise runs/latest --device fake_brisbane`
    """
    from qhw.commands.report import checked_steps, report_noise
    from qhw.runs.directory import open_run

    steps = checked_steps(step)
    runs = [open_run(path) for path in run_paths]
    report_noise(runs, out or runs[0].path / "report", device, full=full, steps=steps)


@report_app.command()
@speaks
def compare(
    one: Annotated[Path, typer.Argument(metavar="A", help="A report's folder, or its run's.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another's.")],
) -> None:
    """Put two reports side by side: device, day, version, verdicts, and where numbers differ.

    Example: `qhw report compare runs/one runs/other`
    """
    from qhw.commands.report_compare import report_compare

    report_compare(one, other)


@report_app.command()
@speaks
def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="One that was acquired.", autocompletion=complete_study
        ),
    ],
    folder: Annotated[Path, typer.Option(help="Folder of all studies.")] = Path("studies"),
) -> None:
    """Write the page of a study that `qhw study` acquired: verdict, figures, tables.

    Example: `qhw report study entanglement`
    """
    from qhw.commands.report_study import report_study

    report_study(name, folder)
