"""The command line's table of contents; nothing heavy is imported before a command is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qhw import __version__
from qhw.cli import devices, installation, runs
from qhw.cli.command import speaks
from qhw.cli.jobs import jobs_app
from qhw.cli.options import SettingsCommand
from qhw.cli.plan import plan_app
from qhw.cli.report import report_app
from qhw.cli.settings import config

RUNS = "Runs"
DEVICES = "Devices"
INSTALLATION = "Installation"

app = typer.Typer(
    help="Train a small quantum circuit to steer a diffusion model, under a device's noise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.train)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.sweep)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.run)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.evaluate)
app.command(rich_help_panel=RUNS, cls=SettingsCommand)(runs.compare)
app.command(rich_help_panel=RUNS)(speaks(runs.plot))
app.command("runs", rich_help_panel=RUNS)(speaks(runs.list_all))
app.command(rich_help_panel=RUNS)(speaks(config))
app.add_typer(report_app, name="report", rich_help_panel=RUNS)
app.command(rich_help_panel=DEVICES)(speaks(devices.devices))
app.command(rich_help_panel=DEVICES, cls=SettingsCommand)(devices.calibrate)
app.command(rich_help_panel=DEVICES, cls=SettingsCommand)(devices.drift)
app.add_typer(plan_app, name="plan", rich_help_panel=DEVICES)
app.add_typer(jobs_app, name="jobs", rich_help_panel=DEVICES)
app.command(rich_help_panel=INSTALLATION)(speaks(installation.doctor))
app.command(rich_help_panel=INSTALLATION)(installation.fit)
app.command(rich_help_panel=INSTALLATION)(installation.remeasure)
app.add_typer(installation.cache_app, name="cache", rich_help_panel=INSTALLATION)


def main() -> None:
    """Run the command line; a known error prints its message and hint and sets the exit code."""
    from qhw.errors import QhwError

    try:
        app()
    except QhwError as error:
        from qhw.console import folded

        typer.secho(folded(f"Error: {error.message}"), err=True, fg=typer.colors.RED)
        typer.echo(folded(error.hint), err=True)
        sys.exit(error.exit_code)


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
