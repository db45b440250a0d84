"""`qhw plan`: what a command would take on a device, told before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qhw.config import RunConfig
    from qhw.jobs.budget import Limits
    from qhw.jobs.quotes import Quote

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
    int | None, typer.Option("--queue", min=0, help="Jobs waiting at the device.")
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
    from qhw.config import PRESETS, load_config, merge
    from qhw.errors import ConfigError, UnknownNameError
    from qhw.planning import plan_training, settings_on_device

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
    if from_run is not None and (config is not None or preset != "default"):
        raise ConfigError(
            "--from takes the settings of its run, and --config or --preset others.",
            "Leave one of them out.",
        )
    if preset not in PRESETS:
        raise UnknownNameError.nearest("preset", preset, PRESETS, "qhw plan train --help")
    base = merge(PRESETS[preset], load_config(config) if config else {})
    if from_run is not None:
        base = {**_values(from_run), "start_from": str(from_run)}
    named = {"name": backend, "shots": shots, "mitigation": mitigation}
    settings = settings_on_device(merge(base, options), named)
    limits, paid = _money(settings, max_qpu_seconds, max_jobs, max_cost, price)
    quote = plan_training(settings, limits=limits, price=paid, queue=queue)
    _print(quote, limits, settings.backend.name, backend)


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
    from qhw.planning import plan_run, settings_on_device

    named = {"name": backend, "shots": shots, "mitigation": mitigation}
    values = _values(run_path or runs / "latest")
    # Pictures need no gradient, and a rule that only simulators have must not stand in the way.
    values.pop("gradient", None)
    settings = settings_on_device(values, named)
    limits, paid = _money(settings, max_qpu_seconds, max_jobs, max_cost, price)
    quote = plan_run(
        settings, images=images, query_every=query_every, limits=limits, price=paid, queue=queue
    )
    _print(quote, limits, settings.backend.name, backend)


def _values(run_path: Path) -> dict[str, Any]:
    """A run's own settings."""
    from qhw.runs import open_run

    return open_run(run_path).config.model_dump(exclude_unset=True, exclude_none=True)


def _money(
    settings: RunConfig,
    max_qpu_seconds: float | None,
    max_jobs: int | None,
    max_cost: float | None,
    price: float | None,
) -> tuple[Limits, float]:
    """Limits and price: as typed, else as in the settings."""
    from qhw.errors import ConfigError
    from qhw.jobs.budget import Limits

    hardware = settings.hardware
    if price is not None and not price > 0:
        raise ConfigError(
            f"--price {price:g}: must be above 0.", "Leave it out for $1.60 a second."
        )
    limits = Limits(
        hardware.max_qpu_seconds if max_qpu_seconds is None else max_qpu_seconds,
        hardware.max_jobs if max_jobs is None else max_jobs,
        hardware.max_cost if max_cost is None else max_cost,
    )
    return limits, hardware.price if price is None else price


def _print(quote: Quote, limits: Limits, device: str, named: str | None) -> None:
    from rich.console import Console

    from qhw.quote_table import print_quote

    console = Console()
    if device.startswith("fake_"):
        console.print(f"{device} runs here and bills nothing; this is what a device would bill.")
    elif named is None:
        console.print(f"No --backend is given: counted as for {device}.")
    print_quote(console, quote, limits)
