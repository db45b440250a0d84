"""`qhw plan`: what a command would take on a device, told before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from qhw.cli.options import (
    BACKEND,
    CIRCUIT,
    LEARNING,
    LIMITS,
    MODEL,
    PRICE,
    Settings,
    SettingsCommand,
    described,
    takes,
)
from qhw.cli.runs import (
    ConfigOption,
    FromOption,
    ImagesOption,
    PresetOption,
    QueryOption,
    RunArgument,
    RunsOption,
)

plan_app = typer.Typer(
    help="Quote QPU time and money before anything is sent.", no_args_is_help=True
)

SAMPLED = BACKEND.only("shots", "mitigation")
PRICED = replace(PRICE, title=SAMPLED.title)
OF_RUN = "a device run's own; else that of `qhw plan train`"
WOULD_STOP = replace(LIMITS, title="Limits, and where they would stop it", default="none")
BackendOption = Annotated[
    str | None,
    typer.Option(
        help=described("Device: ibm_* or fake_*", "default: any device"),
        rich_help_panel=SAMPLED.title,
    ),
]
QueueOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help=described("Jobs that wait at the device", "default: asked with an account"),
        rich_help_panel=SAMPLED.title,
    ),
]


@plan_app.command(cls=SettingsCommand)
@takes(MODEL, SAMPLED, PRICED, WOULD_STOP, CIRCUIT, LEARNING, settable=True)
def train(
    *,
    config: ConfigOption = None,
    preset: PresetOption = "default",
    start_from: FromOption = None,
    backend: BackendOption = None,
    queue: QueueOption = None,
    typed: Settings,
) -> None:
    """Quote a training on a device.

    Example: `qhw plan train --backend ibm_fez --updates 20 --max-cost 100`
    """
    from qhw.commands.plan import print_training_quote

    print_training_quote(typed, backend, queue, config=config, preset=preset, start_from=start_from)


@plan_app.command(cls=SettingsCommand)
@takes(*(replace(panel, default=OF_RUN) for panel in (SAMPLED, PRICED)), WOULD_STOP)
def run(
    *,
    run_path: RunArgument = None,
    images: ImagesOption = 16,
    query_every: QueryOption = 1,
    runs: RunsOption = Path("runs"),
    backend: BackendOption = None,
    queue: QueueOption = None,
    typed: Settings,
) -> None:
    """Quote pictures made on a device with a trained controller.

    Example: `qhw plan run --backend ibm_fez --images 16`
    """
    from qhw.commands.plan import print_deployment_quote

    path = run_path or runs / "latest"
    print_deployment_quote(path, typed, backend, queue, images=images, query_every=query_every)
