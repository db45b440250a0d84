"""Commands that make runs, use them and list them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qhw.cli.command import OUTPUT
from qhw.cli.completion import (
    complete_assignment,
    complete_preset,
    complete_run,
    complete_tracker,
)
from qhw.cli.options import (
    ACTOR,
    BACKEND,
    CIRCUIT,
    DEVICE,
    LEARNING,
    LIMITS,
    MODEL,
    PRICE,
    TORCH_DEVICE,
    TRAINING,
    Settings,
    described,
    takes,
)

RUN_HELP = described("A trained run: its name or folder", "default: the last finished")
RunArgument = Annotated[
    Path | None, typer.Argument(metavar="RUN", help=RUN_HELP, autocompletion=complete_run)
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
ConfigOption = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
PresetOption = Annotated[
    str,
    typer.Option(
        help="Settings to begin with: default or paper or realism.",
        autocompletion=complete_preset,
    ),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Start with this run's weights and settings.",
        autocompletion=complete_run,
    ),
]
ImagesOption = Annotated[int, typer.Option(min=1, max=1000, help="Pictures to make.")]
QueryOption = Annotated[
    int, typer.Option(min=1, help="Ask the circuit at every K-th step; hold in between.")
]


ToResume = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help=described("With --resume: the run", "default: the newest unfinished"),
        autocompletion=complete_run,
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")]
NameOption = Annotated[
    str | None,
    typer.Option(
        help=described("Name of the run's folder", "default: date, actor and seed"),
        rich_help_panel=OUTPUT,
    ),
]
RunsOutput = Annotated[
    Path, typer.Option("--runs", help="Folder that holds the runs.", rich_help_panel=OUTPUT)
]
TensorboardOption = Annotated[
    bool,
    typer.Option("--tensorboard", help="Short for --track tensorboard.", rich_help_panel=OUTPUT),
]
TrackOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRACKER",
        help="Give the numbers of every update to tensorboard, trackio or wandb too.",
        rich_help_panel=OUTPUT,
        autocompletion=complete_tracker,
    ),
]


@takes(*TRAINING, settable=True)
def train(
    *,
    run_path: ToResume = None,
    config: ConfigOption = None,
    preset: PresetOption = "default",
    start_from: FromOption = None,
    resume: ResumeOption = False,
    typed: Settings,
    name: NameOption = None,
    runs: RunsOutput = Path("runs"),
    tensorboard: TensorboardOption = False,
    track: TrackOption = None,
) -> None:
    """Train a controller with PPO, evaluate it on paired latents, print the table.

    Example: `qhw train --device fake_fez --set ppo.actor_rate=1e-3 --name slow`
    """
    from qhw.runs.settings import checked_training_settings, refuse_stray_run, run_to_resume
    from qhw.training.tracking import refuse_missing

    trackers = dict.fromkeys([*(track or ()), *(["tensorboard"] if tensorboard else [])])
    for tracker in trackers:
        refuse_missing(tracker)
    if resume:
        others = {"--config": config, "--name": name, "--from": start_from}
        others["--preset"] = None if preset == "default" else preset
        run = run_to_resume(run_path, typed, others, runs)
    else:
        refuse_stray_run(run_path)
        settings = checked_training_settings(
            typed, config=config, preset=preset, start_from=start_from, runs=runs
        )
        from qhw.commands.train import new_run

        run = new_run(runs, settings, name)
    from qhw.commands.train import train_run

    train_run(run, track=[*trackers])


@takes(MODEL, ACTOR, CIRCUIT, BACKEND, LEARNING, TORCH_DEVICE)
def sweep(
    *,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE,...",
            help="A setting and its values, again and again; every combination is trained.",
            autocompletion=complete_assignment,
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="A:B", help="Seeds A to B-1, or a list such as 0,3,7.")
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together", help="First values together, then second ones: a list, no grid."
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help=described("Runs at once", "default: all cores"))
    ] = None,
    config: ConfigOption = None,
    preset: PresetOption = "default",
    start_from: FromOption = None,
    typed: Settings,
    name: Annotated[
        str, typer.Option(help="What the runs' names begin with.", rich_help_panel=OUTPUT)
    ] = "sweep",
    runs: RunsOutput = Path("runs"),
) -> None:
    """Train over a grid of settings and seeds, in parallel; each is an ordinary run.

    The same command goes on after a stop, and trains what was added.

    Example: `qhw sweep --set ppo.actor_rate=1e-3,2e-3 --seeds 0:5`
    """
    from qhw.config import merge
    from qhw.runs.settings import checked_training_settings
    from qhw.runs.sweep import axes_of, points

    configs = {
        f"{name}-{point.label}": checked_training_settings(
            merge(typed, point.settings),
            config=config,
            preset=preset,
            start_from=start_from,
            runs=runs,
        )
        for point in points(axes_of(assignments or (), seeds), together=together)
    }
    from qhw.commands.sweep import sweep as train_all

    train_all(configs, runs, workers)


@takes(BACKEND.of_run, DEVICE.of_run, LIMITS, PRICE.of_run)
def run(
    *,
    run_path: RunArgument = None,
    images: ImagesOption = 16,
    seed: Annotated[int, typer.Option(min=0, max=4_294_967_295, help="Seed of the latents.")] = 0,
    query_every: QueryOption = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Collect what an unfinished run paid for; go on.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew beside an unfinished run on the device.")
    ] = False,
    runs: RunsOption = Path("runs"),
    typed: Settings,
) -> None:
    """Sample with a trained controller beside the best constant, on the same latents.

    Example: `qhw run --backend fake_fez --images 16 --max-qpu-seconds 300`
    """
    from qhw.runs.directory import open_run
    from qhw.runs.settings import deployment_settings

    path = run_path or runs / "latest"
    backend, hardware = typed.get("backend", {}), typed.get("hardware", {})
    config = deployment_settings(path, backend, hardware, resume=resume, fresh=fresh, runs=runs)
    from qhw.commands.run import DeploymentRequest, deploy

    deploy(
        open_run(path, runs).path,
        config,
        DeploymentRequest(images, seed, query_every, resume, fresh),
    )


@takes(LIMITS.of_run, DEVICE.only("job_wait", "on_drift").of_run, settable=True)
def evaluate(
    *,
    run_path: RunArgument = None,
    latents: Annotated[
        int | None,
        typer.Option(
            min=20, help=described("Paired latents", "default: 2,000; on a device the run's own")
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Published guidance too, tuned first: minutes, once."),
    ] = False,
    runs: RunsOption = Path("runs"),
    typed: Settings,
) -> None:
    """Print the full paired table of a trained controller.

    On a device, limits are the run's in all: what its training spent counts.

    Example: `qhw evaluate slow --latents 2000`
    """
    from qhw.runs.settings import run_to_evaluate

    asked = run_to_evaluate(run_path or runs / "latest", latents, typed, runs)
    from qhw.commands.evaluate import evaluate_run

    evaluate_run(asked.run, asked.latents, full=True, published=full, config=asked.config)


@takes(BACKEND.only("device", "noise_scale", "shots", "mitigation").of_run)
def compare(
    *,
    first: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="A trained run.", autocompletion=complete_run)
    ],
    second: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="Another one.", autocompletion=complete_run)
    ],
    runs: RunsOption = Path("runs"),
    latents: Annotated[
        int, typer.Option(min=20, help="Paired latents; 2000 for Frechet distances.")
    ] = 500,
    out: Annotated[
        Path | None, typer.Option(help=described("Folder", "default: RUN_A/compare-RUN_B"))
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help=described("Simulator for both: aer or aer_noisy", "default: each run's own"),
            rich_help_panel=BACKEND.title,
        ),
    ] = None,
    typed: Settings,
) -> None:
    """Show how two runs differ: settings, metrics on the same latents, pictures.

    Example: `qhw compare slow latest --latents 2000`
    """
    from qhw.commands.compare import ComparisonRequest, compare_runs
    from qhw.runs.directory import open_run

    settings = {"name": backend, **typed.get("backend", {})}
    first, second = (open_run(run, runs).path for run in (first, second))
    compare_runs(first, second, ComparisonRequest(latents, settings, out))


def list_all(runs: RunsOption = Path("runs")) -> None:
    """List the runs: how they stand, what they gained, the settings in which they differ.

    Example: `qhw runs --json`
    """
    from qhw.commands.runs import print_runs

    print_runs(runs)


def plot(
    run_path: RunArgument = None,
    out: Annotated[
        Path | None, typer.Option(help=described("Folder of the picture", "default: RUN/plots"))
    ] = None,
    runs: RunsOption = Path("runs"),
) -> None:
    """Draw how a training went: return, guidance by step, sigma, KL, clipping, gradient norm.

    Example: `qhw plot latest`
    """
    from qhw.commands.plot import plot_run
    from qhw.runs.directory import open_run

    plot_run(open_run(run_path or runs / "latest", runs), out)
