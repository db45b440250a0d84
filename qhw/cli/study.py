"""`qhw study`: what a study varies, and where its trainings are done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from qhw.cli.command import OUTPUT
from qhw.cli.completion import complete_study
from qhw.cli.options import BACKEND, CIRCUIT, LEARNING, MODEL, Settings, described, takes
from qhw.cli.runs import ConfigOption, PresetOption

CLUSTER = "On a cluster"
StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="qubits, depth, entanglement, encoding, state, actors, parameters, steps, "
        "schedules or reward.",
        autocompletion=complete_study,
    ),
]
ExecutorOption = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Trains on this machine, or on a cluster of Ray's.", rich_help_panel=CLUSTER),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT|auto",
        help=described("Of the cluster's head", "default: a cluster of this machine alone"),
        rich_help_panel=CLUSTER,
    ),
]
ResultsOption = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|URL",
        help=described(
            "Where machines leave trained runs, such as s3://bucket/study",
            "default: results/ in --folder, seen by all of them",
        ),
        rich_help_panel=CLUSTER,
    ),
]
TriesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=described("How often a training is begun at most", "default: 3"),
        rich_help_panel=CLUSTER,
    ),
]


@takes(MODEL, CIRCUIT, BACKEND, LEARNING.only("updates", "environments"), settable=True)
def study(
    *,
    name: StudyArgument,
    seeds: Annotated[
        int | None, typer.Option(min=1, help=described("Trainings of every arm", "default: 5"))
    ] = None,
    latents: Annotated[
        int | None,
        typer.Option(min=20, help=described("That every controller plays", "default: 2000")),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A first look: 2 seeds, 20 environments, 500 latents, in studies/quick, where "
            "no option says otherwise.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help=described("Trainings at once", "default: all cores"))
    ] = None,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    results: ResultsOption = None,
    tries: TriesOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, and how long it takes.")
    ] = False,
    config: ConfigOption = None,
    preset: PresetOption = "default",
    typed: Settings,
    folder: Annotated[
        Path | None,
        typer.Option(
            help=described("Holds all studies and their runs", "default: studies"),
            rich_help_panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Vary one thing of the controller, train every arm with several seeds, and compare.

    The same command goes on after a stop; more --seeds train only those that are new, and studies
    in one folder share what they share.

    Example: `qhw study entanglement --seeds 5`
    """
    from qhw.commands.study import (
        print_plan,
        request_of,
        run_study,
        train_here,
        train_on_cluster,
    )
    from qhw.commands.study_on_ray import cluster_of
    from qhw.config import merge
    from qhw.runs.settings import checked_training_settings
    from qhw.studies.trained.catalogue import find_study
    from qhw.studies.trained.study_size import StudySize

    found = find_study(name)
    size = (StudySize.quick() if quick else StudySize()).told(seeds, latents, folder)
    base = checked_training_settings(
        merge(size.settings, typed), config=config, preset=preset, start_from=None, runs=size.folder
    )
    request = request_of(found, base, size)
    cluster = cluster_of(executor, address, results, workers, tries)
    if dry_run:
        print_plan(request, cluster)
    elif cluster is None:
        run_study(request, partial(train_here, workers=workers))
    else:
        run_study(request, partial(train_on_cluster, cluster=cluster))
