"""The command line's table of contents; nothing heavy is imported before a command is called."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from qhw import __version__
from qhw.cli import devices, installation, runs, sharing
from qhw.cli.command import speaks
from qhw.cli.echoing import EchoingGroup
from qhw.cli.human import human_app
from qhw.cli.jobs import jobs_app
from qhw.cli.models import models_app
from qhw.cli.options import SettingsCommand
from qhw.cli.plan import plan_app
from qhw.cli.report import report_app
from qhw.cli.settings import config
from qhw.cli.study import study

if TYPE_CHECKING:
    from qhw.errors import QhwError

RUNS = "Runs"
DEVICES = "Devices"
SHARING = "Sharing"
INSTALLATION = "Installation"

app = typer.Typer(
    cls=EchoingGroup,
    help="Train a small quantum circuit to steer a diffusion model, under a device's noise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.train)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.sweep)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(study)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.run)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.evaluate)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.compare)
app.command(rich_help_panel=RUNS)(speaks(runs.plot))
app.command("runs", rich_help_panel=RUNS)(speaks(runs.list_all))
app.command(rich_help_panel=RUNS)(speaks(config))
app.add_typer(report_app, name="report", rich_help_panel=RUNS)
app.add_typer(human_app, name="human", rich_help_panel=RUNS)
app.command(rich_help_panel=DEVICES)(speaks(devices.devices))
app.command(rich_help_panel=DEVICES, cls=SettingsCommand)(devices.calibrate)
app.command(rich_help_panel=DEVICES, cls=SettingsCommand)(devices.drift)
app.add_typer(plan_app, name="plan", rich_help_panel=DEVICES)
app.add_typer(jobs_app, name="jobs", rich_help_panel=DEVICES)
for command in (sharing.export, sharing.push, sharing.pull):
    app.command(rich_help_panel=SHARING)(speaks(command))
app.command(rich_help_panel=INSTALLATION)(speaks(installation.doctor))
app.add_typer(models_app, name="models", rich_help_panel=INSTALLATION)
app.command(rich_help_panel=INSTALLATION)(installation.fit)
app.command(rich_help_panel=INSTALLATION)(installation.remeasure)
app.add_typer(installation.cache_app, name="cache", rich_help_panel=INSTALLATION)


def main() -> None:
    """Run the command line; a known error prints its message and hint and sets the exit code."""
    from qhw.errors import OutputError, QhwError

    try:
        app()
        sys.stdout.flush()
    except QhwError as error:
        _tell_and_exit(error)
    except OSError as error:
        # A place that nobody named, or standard output, which has no name.
        if error.filename is None:
            _discard_stdout()
        told = error.strerror or str(error)
        place = "The output" if error.filename is None else error.filename
        hint = "Make room there, or name another place; `qhw doctor` looks at the usual ones."
        _tell_and_exit(OutputError(f"{place} cannot be used: {told}.", hint))


def _tell_and_exit(error: QhwError) -> NoReturn:
    from qhw.console.tables import folded

    typer.secho(folded(f"Error: {error.message}"), err=True, fg=typer.colors.RED)
    typer.echo(folded(error.hint), err=True)
    sys.exit(error.exit_code)


def _discard_stdout() -> None:
    """Let nothing be left to print at the end, where nobody would catch what becomes of it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qhw {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Handle options that stand before a command."""
