"""Single statements that write to the ledger: steps of the transactions in `qhw.jobs.ledger`."""

from __future__ import annotations

import hashlib
import json

from qhw.errors import LedgerError
from qhw.jobs.clock import Clock
from qhw.jobs.ledger_file import LedgerFile
from qhw.jobs.ledger_queries import LedgerQueries
from qhw.jobs.ledger_records import (
    Entry,
    EntryState,
    Intent,
    entry_of,
    platform_facts,
    unit_values,
)
from qhw.jobs.owner import this_owner
from qhw.jobs.runner import JobReport
from qhw.jobs.unit import Unit


class LedgerRows(LedgerQueries):
    """Rows to add and change, without asking whether that is right.

    Args:
        file: The open ledger.
        clock: Dates what happens.
    """

    def __init__(self, file: LedgerFile, clock: Clock) -> None:
        super().__init__(file)
        self._clock = clock

    def _entry(self, entry_id: int) -> Entry:
        row = self._file.row("SELECT * FROM entries WHERE id = :id", {"id": entry_id})
        if row is None:
            raise LedgerError(
                f"The ledger has no entry {entry_id}.", "`qhw jobs list` shows what it has."
            )
        return entry_of(row)

    def _insert_entry(self, unit: Unit, facts: Intent, attempt: int) -> int:
        return self._file.execute(
            """
            INSERT INTO entries (run, phase, upd, step, part, attempt, digest, device, state,
                                 group_id, shapes, circuits, shots, quoted_seconds, owner,
                                 intended_at)
            VALUES (:run, :phase, :upd, :step, :part, :attempt, :digest, :device, 'intent',
                    :group_id, :shapes, :circuits, :shots, :quoted_seconds, :owner, :now)
            """,
            {
                **unit_values(unit),
                **vars(facts),
                "shapes": json.dumps(facts.shapes),
                "circuits": facts.circuits,
                "attempt": attempt,
                "owner": this_owner(),
                "now": self._clock.now(),
            },
        )

    def _keep_journal(self, unit: Unit, content: bytes) -> None:
        self._file.execute(
            """
            INSERT OR REPLACE INTO journals (run, phase, upd, step, part, content)
            VALUES (:run, :phase, :upd, :step, :part, :content)
            """,
            {**unit_values(unit), "content": content},
        )

    def _set_state(self, entry_id: int, state: EntryState) -> None:
        self._file.execute(
            "UPDATE entries SET state = :state WHERE id = :id", {"id": entry_id, "state": state}
        )

    def _set_job(self, entry_id: int, job_id: str, group_id: str) -> None:
        """Give an attempt its job; one adopted after all is no duplicate any more."""
        self._file.execute("DELETE FROM duplicates WHERE job_id = :job", {"job": job_id})
        self._file.execute(
            """
            UPDATE entries SET state = 'submitted', job_id = :job, submitted_at = :now,
                   group_id = CASE :group WHEN '' THEN group_id ELSE :group END
             WHERE id = :id
            """,
            {"id": entry_id, "job": job_id, "group": group_id, "now": self._clock.now()},
        )

    def _finish(
        self, entry: Entry, state: EntryState, report: JobReport | None, reason: str = ""
    ) -> None:
        """End an attempt; what was told earlier and is not told now is kept."""
        platform = entry.platform | (platform_facts(report) if report else {})
        self._file.execute(
            """
            UPDATE entries SET state = :state, platform = :platform,
                   job_id = COALESCE(:job, job_id),
                   usage_seconds = COALESCE(:usage, usage_seconds),
                   finished_at = COALESCE(finished_at, :now)
             WHERE id = :id
            """,
            {
                "id": entry.id,
                "state": state,
                "platform": json.dumps(platform | {"reason": platform.get("reason") or reason}),
                "job": report.job_id if report else None,
                "usage": report.usage_seconds if report else None,
                "now": self._clock.now(),
            },
        )

    def _keep_calibration(self, entry_id: int, content: str) -> None:
        """Store a calibration once, however many jobs ran under it."""
        if not content:
            return
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        self._file.execute(
            """
            INSERT INTO calibrations (digest, content) VALUES (:digest, :content)
            ON CONFLICT (digest) DO NOTHING
            """,
            {"digest": digest, "content": content},
        )
        self._file.execute(
            "UPDATE entries SET calibration_digest = :digest WHERE id = :id",
            {"digest": digest, "id": entry_id},
        )

    def _insert_duplicate(self, entry_id: int, report: JobReport, action: str) -> None:
        self._file.execute(
            """
            INSERT INTO duplicates (job_id, entry_id, action, found_at, usage_seconds, platform)
            VALUES (:job, :entry, :action, :now, :usage, :platform)
            ON CONFLICT (job_id) DO UPDATE SET
                   action = excluded.action, platform = excluded.platform,
                   usage_seconds = COALESCE(excluded.usage_seconds, usage_seconds)
            """,
            {
                "job": report.job_id,
                "entry": entry_id,
                "action": action,
                "now": self._clock.now(),
                "usage": report.usage_seconds,
                "platform": json.dumps(platform_facts(report)),
            },
        )
