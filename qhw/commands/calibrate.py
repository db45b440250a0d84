"""`qhw calibrate`: take a snapshot of a device, keep it, and show where a circuit does best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from calibration import DeviceSnapshot
from qhw.backends.transpilation import (
    TranspiledCircuit,
    TranspileOptions,
    ranked_layouts,
    uncalibrated_gates,
)
from qhw.backends.transpile_cache import transpile_for
from qhw.commands.circuit_choice import ChosenCircuit
from qhw.config import HardwareConfig, parse_config
from qhw.console.output import show, terminal
from qhw.console.tables import from_here, plain_table, platform_moment
from qhw.devices.snapshots import KeptSnapshot, SnapshotStore, device_snapshot
from qhw.errors import ConfigError
from qhw.files import Cache
from qhw.known import DeviceName

MOST_LAYOUTS = 5
OPTIONS = TranspileOptions()
HOW_TO_READ = (
    "Expected error: how likely at least one gate or read-out goes wrong, by the published "
    "calibration. Runs take the layout marked *; a kept one stays until a fresh one would be "
    f"{OPTIONS.relayout_factor:g} times better."
)


@dataclass(frozen=True)
class Measuring:
    """What is to be measured on the device.

    Attributes:
        hardware: Limits.
        command: What was typed.
    """

    hardware: HardwareConfig
    command: str


def to_measure(
    device: str, limits: Mapping[str, Any], command: str, *, wanted: bool
) -> Measuring | None:
    """What is to be measured on a device; None where nothing is.

    Args:
        device: As typed; of a simulator nothing can be measured.
        limits: Settings of `HardwareConfig` that were typed.
        command: What was typed.
        wanted: Whether anything is to be measured.

    Raises:
        ConfigError: If a limit is given and nothing is measured, or it is out of range.
    """
    if limits and not wanted:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in limits)
        raise ConfigError(f"{options} limits what is measured.", "Add --measure, or leave it out.")
    if not wanted or not DeviceName(device).takes_jobs:
        return None
    settings = parse_config({"backend": {"name": device}, "hardware": limits})
    return Measuring(settings.hardware, command)


@dataclass(frozen=True)
class LaidOut:
    """What was found of a circuit on a device.

    Attributes:
        snapshot: The device under its present calibration.
        kept: The snapshot as it is kept.
        chosen: The circuit.
        taken: The layout that runs take.
        ranked: All layouts that were found, the best first.
        drawn: Files of the drawing.
    """

    snapshot: DeviceSnapshot
    kept: KeptSnapshot
    chosen: ChosenCircuit
    taken: TranspiledCircuit
    ranked: list[TranspiledCircuit]
    drawn: list[str]

    def record(self) -> dict[str, Any]:
        """As plain JSON."""
        shown = _shown(self.taken, self.ranked)
        return {
            "device": self.snapshot.name,
            "calibrated": self.snapshot.taken_at,
            "kept": self.kept.name,
            "digest": self.kept.digest,
            "layouts": [_record(layout, self.taken) for layout in shown],
            "uncalibrated": uncalibrated_gates(self.snapshot, self.taken),
            "files": self.drawn,
        }

    def print(self, console: Console) -> None:
        """For people."""
        console.print(
            f"The circuit ({self.chosen.title}): {OPTIONS.seeds} seeds laid it out on "
            f"{_counted(len(self.ranked), 'set')} of qubits. The best:",
            highlight=False,
        )
        console.print(_layouts(self.taken, _shown(self.taken, self.ranked)))
        console.print(HOW_TO_READ, highlight=False)
        lost = uncalibrated_gates(self.snapshot, self.taken)
        if lost:
            console.print(f"{lost}.", style="yellow", highlight=False)
        for path in self.drawn:
            console.print(path, highlight=False, soft_wrap=True)


def calibrate(
    device: str, chosen: ChosenCircuit, out: Path, measuring: Measuring | None = None
) -> None:
    """Take a snapshot, keep it, print the best layouts, draw the device; measure if asked to.

    Args:
        device: `fake_*` or `ibm_*`.
        chosen: The circuit that is laid out.
        out: Folder of the drawing.
        measuring: Limits of what may be measured; None to measure nothing.

    Raises:
        QhwError: If the device cannot be read, or a limit is missing or reached.
    """
    if measuring is not None:
        from qhw.commands.calibrate_measure import refuse_unlimited

        refuse_unlimited(device, measuring.hardware)
    console = terminal()
    with console.status(f"reading the calibration of {device}"):
        snapshot = device_snapshot(device)
    kept = _keep(console, snapshot)
    with console.status(f"laying the circuit out on {device}"):
        taken = transpile_for(chosen.circuit, snapshot, OPTIONS, Cache.of_user().transpiled)
        ranked = ranked_layouts(chosen.circuit, snapshot, OPTIONS)
    with console.status("drawing"):
        drawn = [str(from_here(path)) for path in _draw(snapshot, chosen, taken, out)]
    found = LaidOut(snapshot, kept, chosen, taken, ranked, drawn)
    if measuring is None:
        show(found.record(), found.print)
        return
    from qhw.commands.calibrate_measure import measure

    found.print(console)
    measured, print_measured = measure(
        console, chosen.circuit, device, measuring.hardware, measuring.command
    )
    show({**found.record(), "measured": measured}, print_measured)


def print_kept(device: str | None) -> None:
    """Print the snapshots that are kept, newest last.

    Args:
        device: Of this device alone; None for all.
    """
    store = SnapshotStore.of_user()
    devices = store.devices() if device is None else [device]
    snapshots = [kept for name in devices for kept in store.of(name)]

    def print_it(console: Console) -> None:
        for kept in snapshots:
            console.print(f"{kept.name}  {kept.digest}", highlight=False, soft_wrap=True)
        if not snapshots:
            of = "" if device is None else f" of {device}"
            console.print(f"No snapshot{of} is kept. `qhw calibrate --device NAME` takes one.")

    show([{"name": kept.name, "digest": kept.digest} for kept in snapshots], print_it)


def _keep(console: Console, snapshot: DeviceSnapshot) -> KeptSnapshot:
    store = SnapshotStore.of_user()
    before = store.of(snapshot.name)
    kept = store.keep(snapshot)
    date = platform_moment(snapshot.taken_at)
    console.print(
        f"{snapshot.name}: {_counted(snapshot.num_qubits, 'qubit')}, "
        f"{' and '.join(snapshot.two_qubit_gates) or 'no two-qubit gate'}, calibrated {date}",
        highlight=False,
    )
    state = "is kept already" if kept in before else "is kept"
    console.print(f"{kept.name} {state} ({kept.digest}).", highlight=False, soft_wrap=True)
    others = [other for other in store.of(snapshot.name) if other != kept]
    if others:
        console.print(f"{len(others)} more of this device, newest last:", highlight=False)
        for other in others[-MOST_LAYOUTS:]:
            console.print(f"  {other.name}", highlight=False, soft_wrap=True)
        console.print("What moved is told by")
        console.print(f"  qhw drift {others[-1].name} {kept.name}", highlight=False, soft_wrap=True)
    return kept


def _shown(taken: TranspiledCircuit, ranked: list[TranspiledCircuit]) -> list[TranspiledCircuit]:
    """The best few, and the one that runs take, wherever it stands."""
    best = [
        taken if layout.active_qubits == taken.active_qubits else layout
        for layout in ranked[:MOST_LAYOUTS]
    ]
    return best if any(layout is taken for layout in best) else [*best, taken]


def _layouts(taken: TranspiledCircuit, shown: list[TranspiledCircuit]) -> Table:
    table = plain_table("", "qubits", "two-qubit gates", "depth", "expected error")
    for layout in shown:
        table.add_row(
            "*" if layout is taken else "",
            " ".join(str(qubit) for qubit in layout.active_qubits),
            str(layout.two_qubit_gates),
            str(layout.depth),
            f"{layout.score:.4f}",
        )
    return table


def _record(layout: TranspiledCircuit, taken: TranspiledCircuit) -> dict[str, Any]:
    return {
        "taken": layout is taken,
        "qubits": list(layout.active_qubits),
        "two_qubit_gates": layout.two_qubit_gates,
        "depth": layout.depth,
        "expected_error": layout.score,
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _draw(
    snapshot: DeviceSnapshot, chosen: ChosenCircuit, taken: TranspiledCircuit, out: Path
) -> list[Path]:
    from qhw.commands.calibrate_picture import Layout, draw_device, save_picture

    title = f"the circuit's qubits ({chosen.title})"
    layout = Layout(taken.active_qubits, taken.two_qubit_pairs, title)
    date = platform_moment(snapshot.taken_at)
    figure = draw_device(snapshot, layout, f"{snapshot.name}, calibrated {date}")
    return [*save_picture(figure, out / f"{snapshot.name}-{date[:10]}")]
