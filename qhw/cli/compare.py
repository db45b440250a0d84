"""`qhw compare`: two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="A trained run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one.")],
    backend: Annotated[
        str | None,
        typer.Option("--backend", help="aer or aer_noisy, for both; each run's own without it."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Quantum device whose noise is used.")
    ] = None,
    noise_scale: Annotated[
        float | None, typer.Option("--noise-scale", help="Multiply the device's errors by this.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option("--shots", help="Shots per circuit; exact without it.")
    ] = None,
    mitigation: Annotated[
        str | None, typer.Option("--mitigation", help="none, readout, affine or zne.")
    ] = None,
    latents: Annotated[
        int, typer.Option(min=20, help="Paired latents; 2000 for Frechet distances.")
    ] = 500,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; RUN_A/compare-RUN_B without it.")
    ] = None,
) -> None:
    """Show how two runs differ: settings, metrics on the same latents, pictures."""
    settings = {
        "name": backend,
        "device": device,
        "noise_scale": noise_scale,
        "shots": shots,
        "mitigation": mitigation,
    }
    from qhw.commands.compare import ComparisonRequest, compare_runs

    compare_runs(first, second, ComparisonRequest(latents, settings, out))
