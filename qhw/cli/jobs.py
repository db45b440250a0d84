"""`qhw jobs`: the jobs in the ledger of paid work."""

from __future__ import annotations

from typing import Annotated

import typer

from qhw.cli.command import speaks

jobs_app = typer.Typer(
    help="The jobs that were sent to devices, and what became of them.", no_args_is_help=True
)

JOB = typer.Argument(metavar="JOB", help="A job's id, or the beginning of it.")
JobArgument = Annotated[str, JOB]
OptionalJob = Annotated[str | None, JOB]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="ID", help="A run's id, or the beginning of it.")
]


@jobs_app.command("list")
@speaks
def list_jobs(
    run: RunOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Not only the last 20 and what has not ended.")
    ] = False,
) -> None:
    """List the jobs, newest last.

    Example: `qhw jobs list`
    """
    from qhw.commands.jobs_list import print_jobs

    print_jobs(run, everything)


@jobs_app.command()
@speaks
def show(job: JobArgument) -> None:
    """Show all that is known of one job."""
    from qhw.commands.jobs_show import print_job

    print_job(job)


@jobs_app.command()
@speaks
def collect(job: OptionalJob = None, run: RunOption = None) -> None:
    """Keep the results of jobs that have ended; whoever resumes their run finds them.

    Example: `qhw jobs collect`
    """
    from qhw.commands.jobs_collect import collect_jobs

    collect_jobs(job, run)


@jobs_app.command("give-up")
def give_up(
    job: JobArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give up a job whose result stays unreadable: its run sends that one again."""
    from qhw.commands.jobs_give_up import give_up_job

    if not give_up_job(job, (lambda _: True) if yes else typer.confirm):
        typer.echo("Nothing was given up.")
        raise typer.Exit(1)


@jobs_app.command()
def cancel(
    job: OptionalJob = None,
    run: RunOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Cancel a job, or all pending jobs of a run, on the platform."""
    from qhw.commands.jobs_cancel import cancel_jobs

    if not cancel_jobs(job, run, (lambda _: True) if yes else typer.confirm):
        typer.echo("Nothing was cancelled.")
        raise typer.Exit(1)
