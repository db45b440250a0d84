"""What the ledger holds, as plain facts. Times are seconds since 1970 on our own clock."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qhw.errors import LedgerError
from qhw.jobs.request import Shapes, Unit
from qhw.jobs.runner import JobReport, Mode, PubValues

EntryState = Literal["intent", "submitted", "done", "failed", "superseded"]
NO_TRACE = "no trace of it on the platform"
"""Why an attempt was given up that got no clear answer: the reason that is written down."""


@dataclass(frozen=True)
class Intent:
    """What is about to be sent.

    Attributes:
        digest: Semantic hash of the request.
        device: Name of the device it goes to.
        group_id: Open session or batch; empty in job mode.
        shapes: Those of the request; whoever collects the result checks it against them.
        shots: Per circuit.
        quoted_seconds: QPU seconds expected.
        earlier: Id of the unit's newest attempt, which this one replaces; None for the first.
    """

    digest: str
    device: str
    group_id: str
    shapes: Shapes
    shots: int
    quoted_seconds: float
    earlier: int | None = None

    @property
    def circuits(self) -> int:
        """Circuits with bound parameters, over all PUBs."""
        return sum(rows for rows, _ in self.shapes)


@dataclass(frozen=True)
class Entry:
    """One attempt at one unit.

    Attributes:
        id: Its number in this ledger.
        unit: What it works out.
        attempt: Number of the attempt, from 1.
        digest: Semantic hash of the request.
        device: Where it was sent.
        state: `intent` before the platform answered, `submitted` once its job is known; final are
            `done`, `failed` and `superseded` (a later attempt took its place).
        job_id: The platform's; empty before it is known.
        group_id: Session or batch; empty in job mode.
        shapes: (rows, n) of each PUB's values.
        circuits: Circuits with bound parameters.
        shots: Per circuit.
        quoted_seconds: QPU seconds expected.
        owner: The process that wrote the intent, `host:pid:start time`.
        intended_at: When the intent was written.
        submitted_at: When the job's id was written; None before.
        finished_at: When the result or the failure was written; None before.
        usage_seconds: QPU seconds billed; None where the platform did not tell (yet).
        platform: `status`, `created`, `started`, `finished` and `reason` as the platform told
            them; empty before it did.
        calibration_digest: Digest of the calibration the job ran under; `Ledger.calibration` has
            its text.
    """

    id: int
    unit: Unit
    attempt: int
    digest: str
    device: str
    state: EntryState
    job_id: str
    group_id: str
    shapes: Shapes
    circuits: int
    shots: int
    quoted_seconds: float
    owner: str
    intended_at: float
    submitted_at: float | None
    finished_at: float | None
    usage_seconds: float | None
    platform: dict[str, str]
    calibration_digest: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.unit.key} attempt {self.attempt}"

    @property
    def sent(self) -> bool:
        """Whether the platform has a job of it, or may have."""
        return bool(self.job_id) or self.state == "intent"

    @property
    def given_up(self) -> bool:
        """Whether it ended for want of a trace: its job may have appeared since."""
        ended = self.state in ("failed", "superseded") and not self.job_id
        return ended and NO_TRACE in self.platform.get("reason", "")

    @property
    def qpu_seconds(self) -> float:
        """As billed; as quoted where there is no bill yet."""
        return self.quoted_seconds if self.usage_seconds is None else self.usage_seconds


@dataclass(frozen=True)
class Duplicate:
    """A second job that was found for an attempt: never used, but perhaps paid for.

    Attributes:
        entry_id: The attempt it belongs to.
        report: What the platform last told of it, without tags and queue position.
        action: What was done with it, such as `cancelled`.
        found_at: When it was written down.
    """

    entry_id: int
    report: JobReport
    action: str
    found_at: float


@dataclass(frozen=True)
class Totals:
    """Sums over everything that was sent, duplicates and failed jobs included.

    An intent whose job is not known yet counts: its job may be on the platform.

    Attributes:
        jobs: Sent.
        circuits: With bound parameters.
        shots: Shots in all, not per circuit.
        qpu_seconds: Billed; for jobs whose usage is not known, as quoted.
        estimated_jobs: Jobs counted as quoted.
    """

    jobs: int
    circuits: int
    shots: int
    qpu_seconds: float
    estimated_jobs: int


@dataclass(frozen=True)
class Group:
    """A session or batch that was opened.

    Attributes:
        id: The platform's.
        mode: `session` or `batch`.
        device: Name of the device it is open on.
        run: Id of the run that opened it.
        owner: The process that opened it.
        opened_at: When it was opened.
    """

    id: str
    mode: Mode
    device: str
    run: str
    owner: str
    opened_at: float


def entry_of(row: sqlite3.Row) -> Entry:
    """An entry from its row."""
    unit = unit_of(row)
    facts = {name: row[name] for name in row.keys() if name not in unit_values(unit)}  # noqa: SIM118
    shapes = tuple((rows, width) for rows, width in json.loads(row["shapes"]))
    platform = json.loads(row["platform"])
    return Entry(**{**facts, "unit": unit, "shapes": shapes, "platform": platform})


def duplicate_of(row: sqlite3.Row) -> Duplicate:
    """A duplicate from its row."""
    facts = json.loads(row["platform"])
    report = JobReport(
        job_id=row["job_id"], state=facts.pop("status"), usage_seconds=row["usage_seconds"], **facts
    )
    return Duplicate(row["entry_id"], report, row["action"], row["found_at"])


def unit_of(row: sqlite3.Row) -> Unit:
    """The unit a row is about."""
    return Unit(row["run"], row["phase"], row["upd"], row["step"], row["part"])


def unit_values(unit: Unit) -> dict[str, str | int]:
    """A unit as values of its columns."""
    return {
        "run": unit.run,
        "phase": unit.phase,
        "upd": unit.update,
        "step": unit.step,
        "part": unit.part,
    }


def platform_facts(report: JobReport) -> dict[str, str]:
    """What the platform tells only for a while."""
    return {
        "status": report.state,
        "created": report.created,
        "started": report.started,
        "finished": report.finished,
        "reason": report.reason,
    }


def pack_results(results: Sequence[PubValues]) -> bytes:
    """Results as an npz archive without pickle; its checksums find damage.

    Raises:
        LedgerError: If something is not a finite (rows, n) array of float64.
    """
    import numpy as np

    arrays = {}
    for index, pub in enumerate(results):
        fault = _fault(pub)
        if fault:
            raise LedgerError(
                f"Result {index} cannot be stored: {fault}.", "`--resume` asks for it again."
            )
        arrays[f"values_{index}"] = pub.values
        arrays[f"standard_errors_{index}"] = pub.standard_errors
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_results(content: bytes) -> tuple[PubValues, ...]:
    """The inverse of `pack_results`, bit for bit.

    Raises:
        LedgerError: If the archive is damaged.
    """
    import numpy as np

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return tuple(
                PubValues(archive[f"values_{index}"], archive[f"standard_errors_{index}"])
                for index in range(len(archive.files) // 2)
            )
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise LedgerError(
            f"A stored result is damaged: {error}",
            "The platform may still have it: https://quantum.cloud.ibm.com shows its jobs.",
        ) from error


def _fault(pub: PubValues) -> str:
    """Why this cannot be stored; empty if it can."""
    import numpy as np

    arrays = (pub.values, pub.standard_errors)
    if any(getattr(array, "dtype", None) != np.float64 for array in arrays):
        return "it is not float64"
    rows, width = pub.values.shape if pub.values.ndim == 2 else (-1, -1)
    return pub.fault(rows, width)
