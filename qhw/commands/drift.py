"""`qhw drift`: two snapshots side by side, and whether the circuit must be fitted again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from calibration import Change, DeviceSnapshot, Drift, compare
from calibration.drift import KINDS, RELAXATION, TITLES, Kind, Thresholds, Verdict, place_name
from qhw.commands.circuit_choice import ChosenCircuit
from qhw.console.output import show, terminal
from qhw.console.tables import listing, plain_table, platform_moment
from qhw.devices.drift import CircuitDrift, circuit_drift
from qhw.devices.snapshots import find_snapshot
from qhw.errors import ConfigError
from qhw.known import DeviceName

MOST_ROWS = 15
DRIFTED = 4
"""Exit code of `qhw drift` where the verdict asks for something."""
HOW_TO_READ = (
    "Errors must move by the share and by the points (of a percent). T1 and T2 of one qubit wander "
    f"by {Thresholds().relaxation:.0%} and more with nothing broken: they ask for a new fit when "
    f"one loses {Thresholds().collapse:.0%}, or when all the circuit's qubits together decay "
    f"{Thresholds().error:.0%} faster or slower."
)
VERDICTS: dict[Verdict, str] = {
    "none": "none: the circuit and its error mitigation may stay as they are",
    "refit": "refit: measure the error mitigation of the circuit anew",
    "relayout": "relayout: lay the circuit out on other qubits",
}


def print_drift(before: str, after: str, chosen: ChosenCircuit, *, everything: bool) -> Verdict:
    """Print what moved between two snapshots, worst first, and what follows for a circuit.

    Args:
        before: The earlier snapshot; see `qhw.devices.snapshots`.
        after: The later one.
        chosen: The circuit that the verdict is about.
        everything: Whether the tables show the whole device. The verdict is about the circuit all
            the same: of a hundred qubits one has always moved.

    Raises:
        QhwError: If a snapshot cannot be had, or the two have different numbers of qubits.
    """
    console = terminal()
    with console.status("reading the snapshots"):
        old, new = find_snapshot(before), find_snapshot(after)
    if old.num_qubits != new.num_qubits:
        raise ConfigError(
            f"{old.name} has {old.num_qubits} qubits and {new.name} has {new.num_qubits}: nothing "
            "to compare.",
            "Name two snapshots of one device; `qhw calibrate --list` tells what is kept.",
        )
    with console.status("laying the circuit out"):
        under = circuit_drift(old, new, chosen.circuit, chosen.laid_out(old))
    shown = compare(old, new) if everything else under.drift
    where = "of the whole device" if everything else f"that the circuit uses ({chosen.title})"

    def print_it(console: Console) -> None:
        _print_heading(console, old, new, under.drift)
        console.print(f"Facts {where}:", highlight=False)
        console.print(_counts(shown))
        console.print(HOW_TO_READ, highlight=False)
        _print_changes(console, shown.moved)
        _print_lines(console, (*shown.lost, *shown.gained, *shown.unknown))
        _print_verdict(console, new, under)

    show(_record(under.drift, shown), print_it)
    return under.drift.verdict


def _record(circuit: Drift, shown: Drift) -> dict[str, Any]:
    """Verdict and reasons of the circuit's drift, and the changes that the tables show."""
    lines = {name: list(getattr(shown, name)) for name in ("lost", "gained", "unknown")}
    return {
        "before": circuit.before,
        "after": circuit.after,
        "days": circuit.days,
        "verdict": circuit.verdict,
        "reasons": list(circuit.reasons),
        "moved": [asdict(change) for change in shown.moved],
        **lines,
    }


def _print_heading(
    console: Console, old: DeviceSnapshot, new: DeviceSnapshot, drift: Drift
) -> None:
    for label, snapshot in (("before", old), ("after", new)):
        date = platform_moment(snapshot.taken_at)
        line = f"{label}: {snapshot.name}, {date} ({snapshot.calibration_digest})"
        console.print(line, highlight=False)
    if old.calibration_digest == new.calibration_digest:
        console.print("The same calibration.")
    elif drift.days == 0:
        console.print("Both have the same date.", highlight=False)
    elif drift.days is not None:
        days = abs(drift.days)
        span = f"{days:.1f} days" if days >= 2 else f"{24 * days:.1f} hours"
        order = "older" if drift.days < 0 else "younger"
        console.print(f"The second is {span} {order}.", highlight=False)
    if DeviceName(old.name).short != DeviceName(new.name).short:
        console.print(f"{old.name} and {new.name} are two devices, compared qubit by qubit.")


def _counts(drift: Drift) -> Table:
    """One row for each kind of fact."""
    table = plain_table("", "moved", "of", "threshold", "worst")
    for kind in KINDS:
        changes = drift.of_kind(kind)
        moved = sum(change.moved for change in changes)
        worst = _change(changes[0]) if changes else "-"
        table.add_row(TITLES[kind], str(moved), str(len(changes)), _threshold(kind), worst)
    return table


def _threshold(kind: Kind) -> str:
    limits = Thresholds()
    if kind in RELAXATION:
        return f"{limits.relaxation:.0%}"
    floors = {"one-qubit gate": limits.one_qubit_floor, "two-qubit gate": limits.two_qubit_floor}
    return f"{limits.error:.0%} and {100 * floors.get(kind, limits.readout_floor):g} points"


def _print_changes(console: Console, moved: Sequence[Change]) -> None:
    if not moved:
        return
    table = listing("what", "qubits", "before", "after", "change", "x threshold")
    for change in moved[:MOST_ROWS]:
        table.add_row(
            change.gates or TITLES[change.kind],
            place_name(change.qubits),
            _value(change.kind, change.before),
            _value(change.kind, change.after),
            _change(change),
            f"{change.strength:.1f}",
        )
    console.print(table)
    if len(moved) > MOST_ROWS:
        console.print(f"and {len(moved) - MOST_ROWS} more beyond their thresholds")


def _value(kind: Kind, value: float) -> str:
    return f"{1e6 * value:.1f} us" if kind in RELAXATION else f"{100 * value:.3g} %"


def _change(change: Change) -> str:
    return f"{change.relative:+.0%}" if math.isfinite(change.relative) else "from 0"


def _print_lines(console: Console, lines: Sequence[str]) -> None:
    for line in lines[:MOST_ROWS]:
        console.print(line, highlight=False)
    if len(lines) > MOST_ROWS:
        console.print(f"and {len(lines) - MOST_ROWS} more that came, went or are not told")


def _print_verdict(console: Console, new: DeviceSnapshot, under: CircuitDrift) -> None:
    drift, now = under.drift, under.score_after
    after = "none now, since a gate is gone" if now is None else f"{now:.3f} now"
    console.print(
        f"Expected error of the circuit: {under.score_before:.3f} before, {after}; laid out "
        f"anew it would be {under.fresh.score:.3f} (qubits "
        f"{', '.join(map(str, under.fresh.active_qubits))}).",
        highlight=False,
    )
    console.print(f"[bold]Verdict {VERDICTS[drift.verdict]}.[/bold]", highlight=False)
    _print_lines(console, [f"- {reason}" for reason in drift.reasons])
    if drift.verdict != "none":
        console.print(_advice(new.name, drift.verdict), highlight=False)


def _advice(device: str, verdict: Verdict) -> str:
    limit = " --max-qpu-seconds 100" if DeviceName(device).live else ""
    command = f"`qhw calibrate --device {device} --measure{limit}`"
    if verdict == "refit":
        return f"{command} probes the kept fit, and fits anew if it no longer holds."
    return (
        f"A new run takes other qubits by itself where that is clearly better; {command} measures "
        "there. A run under way keeps its qubits."
    )
