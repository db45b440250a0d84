"""The command line: each command parses, calls one function, prints.

Nothing heavy is imported at start; a command imports what it needs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qhw import __version__
from qhw.cli.calibration import calibrate, drift
from qhw.cli.compare import compare
from qhw.cli.jobs import jobs_app
from qhw.cli.plan import plan_app
from qhw.cli.report import report_app

if TYPE_CHECKING:
    from qhw.runs.directory import RunDirectory

app = typer.Typer(
    help="Train a small quantum circuit to steer a diffusion model, under a device's noise.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cache_app = typer.Typer(help="Circuits and baselines kept on disk.", no_args_is_help=True)
app.add_typer(cache_app, name="cache")
app.add_typer(plan_app, name="plan")
app.add_typer(jobs_app, name="jobs")
app.add_typer(report_app, name="report")

RunsOption = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="Quantum device whose noise is used.")
]
BackendOption = Annotated[
    str | None, typer.Option("--backend", help="aer, aer_noisy, fake_* or ibm_*.")
]
NoiseOption = Annotated[
    float | None, typer.Option("--noise-scale", help="Multiply the device's errors by this.")
]
ShotsOption = Annotated[
    int | None, typer.Option("--shots", help="Shots per circuit; exact without it.")
]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help="How noise is simulated: auto, aer, compiled.")
]
MitigationOption = Annotated[
    str | None, typer.Option("--mitigation", help="none, readout, affine, zne or native.")
]
QpuSecondsOption = Annotated[
    float | None, typer.Option("--max-qpu-seconds", help="Stop before this QPU time is passed.")
]
JobsOption = Annotated[
    int | None, typer.Option("--max-jobs", help="Stop before this number of jobs is passed.")
]
CostOption = Annotated[
    float | None, typer.Option("--max-cost", help="Stop before this many dollars are passed.")
]
PriceOption = Annotated[
    float | None, typer.Option("--price", help="Dollars per QPU second; 1.60 without it.")
]
ModeOption = Annotated[
    str | None, typer.Option("--mode", help="How jobs are grouped: job, batch, session.")
]
ReadoutOption = Annotated[
    str | None,
    typer.Option("--readout-errors", help="published or measured, for readout and zne."),
]
DriftOption = Annotated[
    str | None,
    typer.Option(
        "--on-drift",
        help="When the device is recalibrated: warn (8 circuits probe an affine map), refit, stop.",
    ),
]
WaitOption = Annotated[
    float | None, typer.Option("--job-wait", help="Seconds a job may take, queue included.")
]
TorchDeviceOption = Annotated[
    str | None, typer.Option("--torch-device", help="Where pictures are made: auto, cpu, cuda.")
]


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
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Handle options that stand before a command."""


@app.command()
def train(
    backend: BackendOption = None,
    device: DeviceOption = None,
    noise_scale: NoiseOption = None,
    shots: ShotsOption = None,
    engine: EngineOption = None,
    mitigation: MitigationOption = None,
    max_qpu_seconds: QpuSecondsOption = None,
    max_jobs: JobsOption = None,
    max_cost: CostOption = None,
    price: PriceOption = None,
    mode: ModeOption = None,
    readout_errors: ReadoutOption = None,
    job_wait: WaitOption = None,
    on_drift: DriftOption = None,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Start with this run's weights and settings.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file.")] = None,
    preset: Annotated[str, typer.Option(help="default or paper.")] = "default",
    actor: Annotated[str | None, typer.Option(help="ring, mlp or mlp_matched.")] = None,
    qubits: Annotated[int | None, typer.Option(help="Qubits of the ring.")] = None,
    depth: Annotated[int | None, typer.Option(help="Layers of the ring.")] = None,
    encoding: Annotated[str | None, typer.Option(help="dense, paper, linear, reupload.")] = None,
    entanglement: Annotated[str | None, typer.Option(help="ring, line, full, none.")] = None,
    gradient: Annotated[
        str | None, typer.Option(help="shift, adjoint, pruned, spsa, frozen.")
    ] = None,
    updates: Annotated[int | None, typer.Option(help="PPO updates.")] = None,
    environments: Annotated[int | None, typer.Option(help="Trajectories in lockstep.")] = None,
    latents: Annotated[int | None, typer.Option(help="Evaluation latents.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    torch_device: TorchDeviceOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard events too.")] = False,
    runs: RunsOption = Path("runs"),
) -> None:
    """Train a controller with PPO, evaluate it on paired latents, print the table."""
    from qhw.config import merge
    from qhw.runs.directory import create_run
    from qhw.runs.settings import checked_training_settings, run_to_resume

    options: dict[str, Any] = {
        "seed": seed,
        "torch_device": torch_device,
        "actor": {
            "kind": actor,
            "circuit": {
                "qubits": qubits,
                "depth": depth,
                "encoding": encoding,
                "entanglement": entanglement,
            },
        },
        "backend": {
            "name": backend,
            "device": device,
            "noise_scale": noise_scale,
            "shots": shots,
            "engine": engine,
            "mitigation": mitigation,
        },
        "hardware": {
            "mode": mode,
            "readout_errors": readout_errors,
            "max_qpu_seconds": max_qpu_seconds,
            "max_jobs": max_jobs,
            "max_cost": max_cost,
            "price": price,
            "job_wait": job_wait,
            "on_drift": on_drift,
        },
        "gradient": {"rule": gradient},
        "ppo": {"updates": updates, "environments": environments},
        "evaluation": {"latents": latents},
    }
    chosen = merge({}, options)
    if resume is not None:
        others = {"--config": config, "--name": name, "--from": start_from}
        others["--preset"] = None if preset == "default" else preset
        _train(run_to_resume(resume, chosen, others), tensorboard)
        return
    settings = checked_training_settings(
        chosen, config=config, preset=preset, start_from=start_from
    )
    _train(create_run(runs, settings, name), tensorboard)


def _train(run_directory: RunDirectory, tensorboard: bool) -> None:
    """Import torch only when everything that was typed has been found good."""
    from qhw.commands.train import train_run

    train_run(run_directory, tensorboard=tensorboard)


@app.command()
def run(
    run_path: Annotated[Path | None, typer.Argument(metavar="[RUN]")] = None,
    backend: BackendOption = None,
    device: DeviceOption = None,
    noise_scale: NoiseOption = None,
    shots: ShotsOption = None,
    engine: EngineOption = None,
    mitigation: MitigationOption = None,
    images: Annotated[int, typer.Option(min=1, max=1000, help="Pictures to make.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the latents.")] = 0,
    query_every: Annotated[
        int, typer.Option(min=1, help="Ask the circuit at every K-th step; hold in between.")
    ] = 1,
    max_qpu_seconds: QpuSecondsOption = None,
    max_jobs: JobsOption = None,
    max_cost: CostOption = None,
    price: PriceOption = None,
    mode: ModeOption = None,
    readout_errors: ReadoutOption = None,
    job_wait: WaitOption = None,
    on_drift: DriftOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Collect what an unfinished run paid for; go on.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew beside an unfinished run on the device.")
    ] = False,
    runs: RunsOption = Path("runs"),
) -> None:
    """Sample with a trained controller beside the best constant, on the same latents."""
    from qhw.runs.settings import deployment_settings

    settings = {
        "name": backend,
        "device": device,
        "noise_scale": noise_scale,
        "shots": shots,
        "engine": engine,
        "mitigation": mitigation,
    }
    hardware = {
        "mode": mode,
        "readout_errors": readout_errors,
        "max_qpu_seconds": max_qpu_seconds,
        "max_jobs": max_jobs,
        "max_cost": max_cost,
        "price": price,
        "job_wait": job_wait,
        "on_drift": on_drift,
    }
    path = run_path or runs / "latest"
    config = deployment_settings(path, settings, hardware, resume=resume, fresh=fresh)
    from qhw.commands.run import DeploymentRequest, deploy

    deploy(path, config, DeploymentRequest(images, seed, query_every, resume, fresh))


@app.command()
def evaluate(
    run_path: Annotated[Path | None, typer.Argument(metavar="[RUN]")] = None,
    latents: Annotated[
        int | None,
        typer.Option(min=20, help="Paired latents; 2000 without it, on a device the run's own."),
    ] = None,
    max_qpu_seconds: QpuSecondsOption = None,
    max_jobs: JobsOption = None,
    max_cost: CostOption = None,
    job_wait: WaitOption = None,
    on_drift: DriftOption = None,
    runs: RunsOption = Path("runs"),
) -> None:
    """Print the full paired table of a trained controller.

    On a device, limits are the run's in all: what its training spent counts.
    """
    from qhw.runs.settings import run_to_evaluate

    limits = {
        "max_qpu_seconds": max_qpu_seconds,
        "max_jobs": max_jobs,
        "max_cost": max_cost,
        "job_wait": job_wait,
        "on_drift": on_drift,
    }
    run, count = run_to_evaluate(run_path or runs / "latest", latents, limits)
    from qhw.commands.evaluate import evaluate_run

    evaluate_run(run, count, full=True)


@app.command("runs")
def list_all_runs(runs: RunsOption = Path("runs")) -> None:
    """List the runs."""
    from qhw.commands.runs_and_cache import print_runs

    print_runs(runs)


@app.command()
def devices() -> None:
    """List the account's live devices, and the snapshots that need no account."""
    from qhw.commands.devices import print_devices

    print_devices()


@app.command()
def doctor() -> None:
    """Check the installation: versions, GPU, weights, credentials, folders."""
    from qhw.commands.doctor import print_checks

    print_checks()


@app.command()
def fit(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    dataset: Annotated[str, typer.Option(help="fashion-mnist, cifar10 or images.")] = (
        "fashion-mnist"
    ),
    out: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("bundle"),
    size: Annotated[int, typer.Option(min=8, max=64, help="Side of the pictures.")] = 16,
    minutes: Annotated[float, typer.Option(min=0.1, help="CPU-minutes of training.")] = 59.5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train a denoiser, a proxy and two judges, measure the head-room, write a bundle."""
    from qhw.commands.fit import fit_and_report

    fit_and_report(dataset, data, out, size=size, minutes=minutes, seed=seed)


@cache_app.command("ls")
def cache_ls() -> None:
    """Show the cached circuits, their hits, and why the last miss happened."""
    from qhw.commands.runs_and_cache import print_cache

    print_cache()


@cache_app.command("clear")
def cache_clear() -> None:
    """Delete everything in the cache; it is made anew when it is needed."""
    from qhw.commands.runs_and_cache import clear_cache

    clear_cache()


app.command()(calibrate)
app.command()(compare)
app.command()(drift)
