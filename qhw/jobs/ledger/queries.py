"""What can be asked of the ledger; nothing here changes it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from qhw.errors import LedgerError
from qhw.jobs.ledger.file import LedgerFile
from qhw.jobs.ledger.records import (
    Duplicate,
    Entry,
    EntryState,
    Group,
    Totals,
    duplicate_of,
    entry_of,
    unit_of,
    unit_values,
    unpack_results,
)
from qhw.jobs.request import Unit
from qhw.jobs.runner import PubValues
from qhw.known import LIVE_PREFIX


class LedgerQueries:
    """The ledger, read.

    Args:
        file: The open ledger.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def require_whole(self) -> None:
        """Look at every page of the file.

        Raises:
            LedgerError: If something is wrong with one.
        """
        self._file.require_whole()

    def attempts(self, unit: Unit) -> list[Entry]:
        """All attempts at a unit, oldest first."""
        rows = self._file.rows(
            """
            SELECT * FROM entries
             WHERE run = :run AND phase = :phase AND upd = :upd AND step = :step AND part = :part
             ORDER BY attempt
            """,
            unit_values(unit),
        )
        return [entry_of(row) for row in rows]

    def latest(self, unit: Unit) -> Entry | None:
        """The newest attempt at a unit."""
        attempts = self.attempts(unit)
        return attempts[-1] if attempts else None

    def known_jobs(self, unit: Unit) -> set[str]:
        """Ids of all jobs of a unit: those of every attempt, and those that were sent twice."""
        rows = self._file.rows(
            """
            SELECT entries.job_id, duplicates.job_id
              FROM entries LEFT JOIN duplicates ON duplicates.entry_id = entries.id
             WHERE run = :run AND phase = :phase AND upd = :upd AND step = :step AND part = :part
            """,
            unit_values(unit),
        )
        return {job_id for row in rows for job_id in row if job_id}

    def entries(
        self, run: str | None = None, states: Sequence[EntryState] | None = None
    ) -> list[Entry]:
        """Entries oldest first, of one run or all, in some states or any."""
        rows = self._file.rows(
            """
            SELECT * FROM entries
             WHERE (:run IS NULL OR run = :run)
               AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
             ORDER BY id
            """,
            {"run": run, "states": None if states is None else json.dumps(list(states))},
        )
        return [entry_of(row) for row in rows]

    def given_up(self, run: str | None = None, since: float = 0.0) -> list[Entry]:
        """Attempts that were given up without a trace, oldest first, of one run or all.

        Args:
            run: The run's id; None for all runs.
            since: Seconds since 1970; what was given up earlier is left out.
        """
        ended = self.entries(run, ("failed", "superseded"))
        return [entry for entry in ended if entry.given_up and (entry.finished_at or 0.0) >= since]

    def pending(self, device: str) -> list[Entry]:
        """Jobs of all runs and processes that were submitted to a device and have not ended."""
        rows = self._file.rows(
            "SELECT * FROM entries WHERE device = :device AND state = 'submitted' ORDER BY id",
            {"device": device},
        )
        return [entry_of(row) for row in rows]

    def find_job(self, job_id: str) -> Entry | None:
        """The attempt that became this job."""
        row = self._file.row(
            "SELECT * FROM entries WHERE job_id = :job AND job_id != ''", {"job": job_id}
        )
        return entry_of(row) if row else None

    def result(self, entry: Entry) -> tuple[PubValues, ...]:
        """The results of an attempt that is done, bit for bit as they were stored.

        Raises:
            LedgerError: If it has none, or they are damaged.
        """
        row = self._file.row("SELECT arrays FROM results WHERE entry_id = :id", {"id": entry.id})
        if row is None:
            raise LedgerError(
                f"There is no result of {entry.name}, which is {entry.state}.",
                "`qhw jobs collect` fetches what has finished.",
            )
        return unpack_results(row["arrays"])

    def calibration(self, digest: str) -> str:
        """The calibration with this digest, as the platform's JSON; empty if there is none."""
        row = self._file.row(
            "SELECT content FROM calibrations WHERE digest = :digest", {"digest": digest}
        )
        return row["content"] if row else ""

    def duplicates(self, run: str | None = None) -> list[Duplicate]:
        """Second jobs that were found, oldest first, of one run or all."""
        rows = self._file.rows(
            """
            SELECT duplicates.* FROM duplicates JOIN entries ON entries.id = entry_id
             WHERE :run IS NULL OR run = :run ORDER BY found_at, duplicates.job_id
            """,
            {"run": run},
        )
        return [duplicate_of(row) for row in rows]

    def latest_journal(self, run: str) -> tuple[Unit, bytes] | None:
        """The run's newest journal, and the unit before which it was written."""
        row = self._file.row("SELECT * FROM journals WHERE run = :run", {"run": run})
        return (unit_of(row), row["content"]) if row else None

    def open_groups(self, run: str | None = None) -> list[Group]:
        """Sessions and batches that were not closed, oldest first, of one run or all."""
        rows = self._file.rows(
            """
            SELECT id, mode, device, run, owner, opened_at FROM groups
             WHERE closed_at IS NULL AND (:run IS NULL OR run = :run) ORDER BY opened_at, id
            """,
            {"run": run},
        )
        return [Group(**row) for row in rows]

    def posts_between(self, since: float, until: float) -> list[float]:
        """When intents were written for devices that cost money, oldest first."""
        rows = self._file.rows(
            """
            SELECT intended_at FROM entries
             WHERE intended_at BETWEEN :since AND :until
               AND substr(device, 1, length(:live)) = :live
             ORDER BY intended_at
            """,
            {"since": since, "until": until, "live": LIVE_PREFIX},
        )
        return [row["intended_at"] for row in rows]

    def spent(self, run: str) -> Totals:
        """What a run has sent and used."""
        return self._totals(run=run)

    def spent_since(self, device_prefix: str, since: float) -> Totals:
        """What was sent and used on some devices, by all runs.

        Args:
            device_prefix: How the devices' names begin, such as `ibm_`.
            since: Seconds since 1970; jobs that were last heard of earlier are left out.
        """
        return self._totals(prefix=device_prefix, since=since)

    def _totals(self, run: str | None = None, prefix: str = "", since: float = 0.0) -> Totals:
        row = self._file.row(
            """
            SELECT COUNT(*) AS jobs,
                   COALESCE(SUM(circuits), 0) AS circuits,
                   COALESCE(SUM(circuits * shots), 0) AS shots,
                   TOTAL(COALESCE(usage_seconds, quoted_seconds)) AS qpu_seconds,
                   COALESCE(SUM(usage_seconds IS NULL), 0) AS estimated_jobs
              FROM sent_jobs
             WHERE (:run IS NULL OR run = :run) AND known_at >= :since
               AND substr(device, 1, length(:prefix)) = :prefix
            """,
            {"run": run, "prefix": prefix, "since": since},
        )
        assert row is not None, "an aggregate has one row"
        return Totals(**row)
