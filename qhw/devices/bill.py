"""What a run's paid work came to, phase by phase, out of the ledger: quoted against billed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from qhw.budget.limits import Budget
from qhw.console.tables import plain_table
from qhw.files import write_json
from qhw.jobs.ledger import Entry, Ledger
from qhw.known import DeviceName


@dataclass(frozen=True)
class PhaseSpending:
    """One phase of a run.

    Attributes:
        phase: Its name.
        jobs: Sent.
        circuits: With bound parameters.
        shots: Shots in all.
        quoted_seconds: QPU seconds expected before.
        billed_seconds: QPU seconds billed; jobs without a bill yet count as quoted.
        unbilled: Jobs without a bill.
    """

    phase: str
    jobs: int
    circuits: int
    shots: int
    quoted_seconds: float
    billed_seconds: float
    unbilled: int


def spending(ledger: Ledger, run_id: str) -> list[PhaseSpending]:
    """Every phase of a run that sent something, in the order it first did."""
    sent = [entry for entry in ledger.entries(run=run_id) if entry.sent]
    phases = list(dict.fromkeys(entry.unit.phase for entry in sent))
    rows = [
        _phase(phase, [entry for entry in sent if entry.unit.phase == phase]) for phase in phases
    ]
    doubles = ledger.duplicates(run_id)
    if doubles:
        billed = sum(double.report.usage_seconds or 0.0 for double in doubles)
        rows.append(PhaseSpending("sent twice", len(doubles), 0, 0, 0.0, billed, 0))
    return rows


def report_spending(
    console: Console, folder: Path, ledger: Ledger, run_id: str, budget: Budget
) -> None:
    """Print the table and keep it as `cost.json`."""
    rows = spending(ledger, run_id)
    if not rows:
        console.print("Nothing was sent to the device.")
        return
    total = _total(rows)
    table = plain_table("QPU time", "jobs", "circuits", "shots", "quoted s", "billed s", "$")
    for row in [*rows, total]:
        table.add_row(
            row.phase,
            str(row.jobs),
            f"{row.circuits:,}",
            f"{row.shots:,}",
            f"{row.quoted_seconds:.1f}",
            f"{row.billed_seconds:.1f}",
            f"{row.billed_seconds * budget.dollars_per_second:.2f}",
        )
    console.print(table)
    entries = ledger.entries(run=run_id)
    console.print(_explanation(total, budget, entries[0].device))
    write_json(folder / "cost.json", _record(rows, total, budget, entries))


def _phase(phase: str, entries: Sequence[Entry]) -> PhaseSpending:
    return PhaseSpending(
        phase,
        len(entries),
        sum(entry.circuits for entry in entries),
        sum(entry.circuits * entry.shots for entry in entries),
        sum(entry.quoted_seconds for entry in entries),
        sum(entry.qpu_seconds for entry in entries),
        sum(entry.usage_seconds is None for entry in entries),
    )


def _total(rows: Sequence[PhaseSpending]) -> PhaseSpending:
    return PhaseSpending(
        "total",
        sum(row.jobs for row in rows),
        sum(row.circuits for row in rows),
        sum(row.shots for row in rows),
        sum(row.quoted_seconds for row in rows),
        sum(row.billed_seconds for row in rows),
        sum(row.unbilled for row in rows),
    )


def _explanation(total: PhaseSpending, budget: Budget, device: str) -> str:
    parts = [f"At ${budget.dollars_per_second:.2f} per QPU second."]
    if DeviceName(device).stand_in:
        parts.append(f"{device} runs here and bills nothing: this is what a device would bill.")
    if total.unbilled:
        unbilled = "1 job has" if total.unbilled == 1 else f"{total.unbilled} jobs have"
        parts.append(f"{unbilled} no bill yet: the quote counts.")
    if budget.remaining_seconds is not None:
        parts.append(f"{budget.remaining_seconds:.1f} QPU s are left of the limit.")
    return " ".join(parts)


def _record(
    rows: Sequence[PhaseSpending], total: PhaseSpending, budget: Budget, entries: Sequence[Entry]
) -> dict[str, Any]:
    return {
        "phases": [asdict(row) for row in rows],
        "total": asdict(total),
        "dollars per second": budget.dollars_per_second,
        "limits": asdict(budget.limits),
        "jobs": [
            {
                "unit": entry.unit.key,
                "job": entry.job_id,
                "state": entry.state,
                "usage": entry.usage_seconds,
                "calibration": entry.calibration_digest,
                **entry.platform,
            }
            for entry in entries
        ],
    }
