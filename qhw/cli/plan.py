"""`qhw plan`: what a command would take on a device, told before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qhw.budget.quote import Quote
    from qhw.config import RunConfig

plan_app = typer.Typer(
    help="Quote QPU time and money before anything is sent.", no_args_is_help=True
)

BackendOption = Annotated[
    str | None, typer.Option("--backend", help="ibm_* or fake_*; any device without it.")
]
ShotsOption = Annotated[
    int | None, typer.Option("--shots", min=1, help="Shots per circuit; 1024 without it.")
]
MitigationOption = Annotated[
    str | None, typer.Option("--mitigation", help="none, readout, affine, zne, native.")
]
PriceOption = Annotated[
    float | None, typer.Option("--price", help="Dollars per QPU second; 1.60 without it.")
]
QueueOption = Annotated[
    int | None,
    typer.Option("--queue", min=0, help="Jobs waiting at the device; asked with an account."),
]
SecondsOption = Annotated[
    float | None, typer.Option("--max-qpu-seconds", help="Tell where this limit would stop it.")
]
JobsOption = Annotated[
    int | None, typer.Option("--max-jobs", help="Tell where this limit would stop it.")
]
CostOption = Annotated[
    float | None, typer.Option("--max-cost", help="Tell where this limit, in dollars, stops it.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]


@plan_app.command()
def train(
    backend: BackendOption = None,
    shots: ShotsOption = None,
    mitigation: MitigationOption = None,
    from_run: Annotated[Path | None, typer.Option("--from", help="Train this run on.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file.")] = None,
    preset: Annotated[str, typer.Option(help="default or paper.")] = "default",
    qubits: Annotated[int | None, typer.Option(help="Qubits of the ring.")] = None,
    depth: Annotated[int | None, typer.Option(help="Layers of the ring.")] = None,
    encoding: Annotated[str | None, typer.Option(help="dense, paper, linear, reupload.")] = None,
    entanglement: Annotated[str | None, typer.Option(help="ring, line, full, none.")] = None,
    gradient: Annotated[str | None, typer.Option(help="shift, pruned, spsa, frozen.")] = None,
    updates: Annotated[int | None, typer.Option(help="PPO updates.")] = None,
    environments: Annotated[int | None, typer.Option(help="Trajectories in lockstep.")] = None,
    latents: Annotated[int | None, typer.Option(help="Evaluation latents.")] = None,
    price: PriceOption = None,
    queue: QueueOption = None,
    max_qpu_seconds: SecondsOption = None,
    max_jobs: JobsOption = None,
    max_cost: CostOption = None,
) -> None:
    """Quote a training on a device."""
    from qhw.budget.planning import named_device, plan_training
    from qhw.config import merge
    from qhw.runs.settings import training_settings

    options: dict[str, Any] = {
        "actor": {
            "circuit": {
                "qubits": qubits,
                "depth": depth,
                "encoding": encoding,
                "entanglement": entanglement,
            },
        },
        "gradient": {"rule": gradient},
        "ppo": {"updates": updates, "environments": environments},
        "evaluation": {"latents": latents},
    }
    own = training_settings({}, config=config, preset=preset, start_from=from_run).backend.name
    options["backend"] = {
        "name": named_device(backend, own),
        "shots": shots,
        "mitigation": mitigation,
    }
    options["hardware"] = _hardware(max_qpu_seconds, max_jobs, max_cost, price)
    chosen = merge({}, options)
    settings = training_settings(chosen, config=config, preset=preset, start_from=from_run)
    waiting = _queue(queue, backend)
    _print(plan_training(settings, queue=waiting), settings, backend)


@plan_app.command()
def run(
    run_path: Annotated[Path | None, typer.Argument(metavar="[RUN]")] = None,
    backend: BackendOption = None,
    shots: ShotsOption = None,
    mitigation: MitigationOption = None,
    images: Annotated[int, typer.Option(min=1, max=1000, help="Pictures to make.")] = 16,
    query_every: Annotated[int, typer.Option(min=1, help="Ask the device at every such step.")] = 1,
    price: PriceOption = None,
    queue: QueueOption = None,
    max_qpu_seconds: SecondsOption = None,
    max_jobs: JobsOption = None,
    max_cost: CostOption = None,
    runs: RunsOption = Path("runs"),
) -> None:
    """Quote pictures made on a device with a trained controller."""
    from qhw.budget.planning import named_device, plan_run
    from qhw.runs.directory import open_run
    from qhw.runs.settings import settings_on_backend

    own = open_run(run_path or runs / "latest").config
    named = {
        "name": named_device(backend, own.backend.name),
        "shots": shots,
        "mitigation": mitigation,
    }
    hardware = _hardware(max_qpu_seconds, max_jobs, max_cost, price)
    settings = settings_on_backend(own, named, hardware)
    waiting = _queue(queue, backend)
    quote = plan_run(settings, images=images, query_every=query_every, queue=waiting)
    _print(quote, settings, backend)


def _queue(typed: int | None, device: str | None) -> int | None:
    """Jobs waiting at the named device: as typed, else as the platform tells an account."""
    from rich.console import Console

    from qhw.errors import HardwareError
    from qhw.known import DeviceName, has_credentials

    if typed is not None or device is None or not DeviceName(device).live or not has_credentials():
        return typed
    from qhw.jobs.reopening import reopen

    try:
        return reopen(device).queue_length()
    except HardwareError as error:
        Console().print(f"The queue of {device} could not be asked: {error.message}")
        return None


def _hardware(
    max_qpu_seconds: float | None,
    max_jobs: int | None,
    max_cost: float | None,
    price: float | None,
) -> dict[str, Any]:
    return {
        "max_qpu_seconds": max_qpu_seconds,
        "max_jobs": max_jobs,
        "max_cost": max_cost,
        "price": price,
    }


def _print(quote: Quote, settings: RunConfig, named: str | None) -> None:
    from rich.console import Console

    from qhw.budget.planning import limits_of
    from qhw.commands.plan import print_quote
    from qhw.known import DeviceName

    console = Console()
    device = DeviceName(settings.backend.name)
    if device.stand_in:
        console.print(f"{device} runs here and bills nothing; this is what a device would bill.")
    elif named is None:
        console.print(f"No --backend is given: counted as for {device}.")
    print_quote(console, quote, limits_of(settings))
