"""Commands that say what devices there are, what their errors are, and what moved."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from qhw.cli.options import CIRCUIT, LIMITS, PRICE, Settings, described, takes

MEASURING = "With --measure"
CircuitOfRun = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help=described("Take the circuit of this run", "default: the one described below"),
        rich_help_panel=CIRCUIT.title,
    ),
]


def devices() -> None:
    """List the account's live devices, and the snapshots that need no account.

    Example: `qhw devices`
    """
    from qhw.commands.devices import print_devices

    print_devices()


@takes(
    CIRCUIT,
    replace(LIMITS, title=MEASURING),
    replace(PRICE, title=MEASURING),
)
def calibrate(
    *,
    device: Annotated[
        str | None, typer.Option(help="fake_* or ibm_*; `qhw devices` lists them.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the drawing.")] = Path("maps"),
    listed: Annotated[
        bool, typer.Option("--list", help="List the kept snapshots and do nothing else.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure read-out errors and the affine map (takes QPU time)."
        ),
    ] = False,
    run: CircuitOfRun = None,
    typed: Settings,
) -> None:
    """Take a snapshot of a device, keep it, show the circuit's best layouts and a drawing.

    Example: `qhw calibrate --device fake_fez`
    """
    from qhw.errors import ConfigError

    if device is None and not listed:
        raise ConfigError(
            "Calibrate which device?",
            "Add --device NAME: `qhw devices` lists them, --list what is kept.",
        )
    from qhw.commands.calibrate import calibrate, print_kept, to_measure
    from qhw.commands.circuit_choice import choose_circuit

    if device is None or listed:
        print_kept(device)
        return
    command = shlex.join(["qhw", *sys.argv[1:]])
    measured = to_measure(device, typed.get("hardware", {}), command, wanted=measure)
    calibrate(device, choose_circuit(run, _circuit(typed)), out, measured)


@takes(CIRCUIT)
def drift(
    *,
    before: Annotated[str, typer.Argument(metavar="A", help="The earlier snapshot.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The later one.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Show the whole device; the verdict stays the circuit's.")
    ] = False,
    run: CircuitOfRun = None,
    typed: Settings,
) -> None:
    """Compare two snapshots; exit code 4 if the circuit needs a new fit or a new layout.

    A and B are files, devices (fake_fez, or ibm_fez as it is now), or kept snapshots such as
    ibm_fez@2026-11-20 or ibm_fez@latest; `qhw calibrate --list` lists those.

    Example: `qhw drift fake_fez fake_marrakesh`
    """
    from qhw.commands.circuit_choice import choose_circuit
    from qhw.commands.drift import DRIFTED, print_drift

    circuit = choose_circuit(run, _circuit(typed))
    if print_drift(before, after, circuit, everything=everything) != "none":
        raise typer.Exit(DRIFTED)


def _circuit(typed: Settings) -> Settings:
    circuit: Settings = typed.get("actor", {}).get("circuit", {})
    return circuit
