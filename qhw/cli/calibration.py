"""`qhw calibrate` and `qhw drift`: what a device's errors are, and what moved."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qhw.commands.calibrate import Measuring

RunOption = Annotated[
    Path | None, typer.Option("--run", help="The circuit of this run; the default one without it.")
]
QubitsOption = Annotated[int | None, typer.Option("--qubits", help="Qubits of the ring.")]
DepthOption = Annotated[int | None, typer.Option("--depth", help="Layers of the ring.")]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="dense, paper, linear, reupload.")
]
EntanglementOption = Annotated[
    str | None, typer.Option("--entanglement", help="ring, line, full, none.")
]


def calibrate(
    device: Annotated[
        str | None, typer.Option("--device", help="fake_* or ibm_*; `qhw devices` lists them.")
    ] = None,
    run: RunOption = None,
    qubits: QubitsOption = None,
    depth: DepthOption = None,
    encoding: EncodingOption = None,
    entanglement: EntanglementOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the drawing.")] = Path("maps"),
    listed: Annotated[
        bool, typer.Option("--list", help="List the kept snapshots and do nothing else.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure read-out errors and the affine map (takes QPU time)."
        ),
    ] = False,
    max_qpu_seconds: Annotated[
        float | None, typer.Option(help="Measure no longer than this QPU time.")
    ] = None,
    max_jobs: Annotated[int | None, typer.Option(help="Measure with no more jobs.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Measure for no more than this many dollars.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="Dollars per QPU second; 1.60 without it.")
    ] = None,
) -> None:
    """Take a snapshot of a device, keep it, show the circuit's best layouts and a drawing."""
    from qhw.errors import ConfigError

    if listed:
        from qhw.commands.calibrate import print_kept

        print_kept(device)
        return
    if device is None:
        raise ConfigError(
            "Calibrate which device?",
            "Add --device NAME: `qhw devices` lists them, --list what is kept.",
        )
    limits = {
        "max_qpu_seconds": max_qpu_seconds,
        "max_jobs": max_jobs,
        "max_cost": max_cost,
        "price": price,
    }
    measuring = _measuring(device, limits, measure=measure)
    from qhw.commands.calibrate import calibrate as take
    from qhw.commands.circuit_choice import choose_circuit

    circuit = {
        "qubits": qubits,
        "depth": depth,
        "encoding": encoding,
        "entanglement": entanglement,
    }
    take(device, choose_circuit(run, circuit), out, measuring)


def drift(
    before: Annotated[str, typer.Argument(metavar="A", help="The earlier snapshot.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The later one.")],
    run: RunOption = None,
    qubits: QubitsOption = None,
    depth: DepthOption = None,
    encoding: EncodingOption = None,
    entanglement: EntanglementOption = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Show the whole device; the verdict stays the circuit's."),
    ] = False,
) -> None:
    """Compare two snapshots; exit code 4 if the circuit needs a new fit or a new layout.

    A and B are files, devices (fake_fez, or ibm_fez as it is now), or kept snapshots such as
    ibm_fez@2026-11-20 or ibm_fez@latest; `qhw calibrate --list` lists those.
    """
    from qhw.commands.circuit_choice import choose_circuit
    from qhw.commands.drift import DRIFTED, print_drift

    circuit = {
        "qubits": qubits,
        "depth": depth,
        "encoding": encoding,
        "entanglement": entanglement,
    }
    verdict = print_drift(before, after, choose_circuit(run, circuit), everything=everything)
    if verdict != "none":
        raise typer.Exit(DRIFTED)


def _measuring(device: str, limits: dict[str, Any], *, measure: bool) -> Measuring | None:
    """Limits of a measurement; None where nothing is measured.

    Raises:
        ConfigError: If a limit is given and nothing is measured, or it is out of range.
    """
    from qhw.config import merge, parse_config
    from qhw.errors import ConfigError
    from qhw.known import DeviceName

    typed = merge({}, limits)
    if not measure:
        if typed:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
            raise ConfigError(
                f"{options} limits what is measured.", "Add --measure, or leave it out."
            )
        return None
    if not DeviceName(device).takes_jobs:
        return None
    from qhw.commands.calibrate import Measuring

    settings: dict[str, Any] = {"backend": {"name": device}}
    hardware = parse_config(merge(settings, {"hardware": typed})).hardware
    return Measuring(hardware, shlex.join(["qhw", *sys.argv[1:]]))
