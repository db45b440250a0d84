"""A snapshot in a few lines: best, median and worst of every kind of number in it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from calibration.notebook import html_lines, html_table
from calibration.snapshot import DeviceSnapshot

MICRO, NANO = 1e6, 1e9
NOT_GIVEN = "not given"


def summary_html(snapshot: DeviceSnapshot) -> str:
    """A snapshot as a notebook shows it."""
    title = f"{snapshot.name}: {snapshot.num_qubits} qubits, calibrated {snapshot.taken_at}"
    columns = ("", "places", "best", "median", "worst")
    unusable = [gate for gate in snapshot.gates if not gate.usable]
    return html_table(columns, summary_rows(snapshot), title) + html_lines(
        f"Not operational: qubits {', '.join(map(str, snapshot.faulty_qubits))}."
        if snapshot.faulty_qubits
        else "",
        f"Left out: {len(unusable)} gates that could not be calibrated." if unusable else "",
    )


def summary_rows(snapshot: DeviceSnapshot) -> list[tuple[str, ...]]:
    """What is measured, at how many places, best, median and worst; gates that work alone."""
    qubits = snapshot.qubits
    rows = [
        _row("T1, µs", [q.t1 for q in qubits], MICRO, most_is_best=True),
        _row("T2, µs", [q.t2 for q in qubits], MICRO, most_is_best=True),
        _row("read-out error", [q.readout_error for q in qubits]),
    ]
    for name in sorted({gate.name for gate in snapshot.gates}):
        gates = [gate for gate in snapshot.gates if gate.name == name and gate.usable]
        rows.append(_row(f"{name} error", [gate.error for gate in gates]))
        rows.append(_row(f"{name} time, ns", [gate.seconds for gate in gates], NANO))
    return rows


def _row(
    name: str, values: Sequence[float | None], factor: float = 1.0, *, most_is_best: bool = False
) -> tuple[str, ...]:
    known = sorted((factor * v for v in values if v is not None), reverse=most_is_best)
    if not known:
        return name, "0", NOT_GIVEN, NOT_GIVEN, NOT_GIVEN
    numbers = (known[0], median(known), known[-1])
    return name, str(len(known)), *(f"{number:.3g}" for number in numbers)
