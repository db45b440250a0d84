"""The ledger of paid work: the intent before it is sent, the job after it, the result before use.

Every method is one transaction that is on the disk when it returns, so that a process killed at
any moment leaves a file from which the next one knows what may have been paid for.

The file holds no account and no token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal

from qhw.errors import LedgerError
from qhw.files import UserData
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.ledger.file import LedgerFile, make_private_folder
from qhw.jobs.ledger.owner import this_owner
from qhw.jobs.ledger.queries import LedgerQueries
from qhw.jobs.ledger.records import (
    Entry,
    Intent,
    entry_of,
    pack_results,
    platform_facts,
    unit_values,
)
from qhw.jobs.ledger.transitions import require_follows, require_replaceable
from qhw.jobs.request import Unit
from qhw.jobs.runner import JobReport, Mode, PubValues


class Ledger(LedgerQueries):
    """All paid work of one user; threads and processes may share the file.

    Args:
        path: The file; made when missing.
        clock: Dates what happens.

    Raises:
        LedgerError: By every method, if the file is damaged, full, or newer than this program.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(LedgerFile(path))
        self._clock = clock

    @classmethod
    def of_user(cls, clock: Clock | None = None) -> Ledger:
        """The one that commands use; XDG_DATA_HOME moves it."""
        path = UserData.of_user().ledger
        make_private_folder(path.parent)
        return cls(path, clock or SystemClock())

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def intend(self, unit: Unit, request_facts: Intent, journal: bytes | None) -> Entry:
        """Write down that a unit is about to be sent, before it is; returns the new attempt.

        The new attempt, the end of the earlier one and the journal are one transaction. A process
        that is to take over another's intent asks `owner_alive` first.

        Args:
            unit: What is to be worked out.
            request_facts: What is to be sent; `earlier` names the attempt this one replaces.
            journal: State from which replaying goes on; only a run's newest is kept.

        Raises:
            LedgerError: If the newest attempt is not `earlier`, so that another process got there
                first; or if it is submitted or done, so that it would be paid for twice.
        """
        with self._file.transaction():
            # Asked again though the caller knew it: another process may have come between.
            newest = self.latest(unit)
            require_replaceable(unit, newest, request_facts.earlier)
            if newest:
                self._store(replace(newest, state="superseded"))
            entry_id = self._insert_entry(unit, request_facts, newest.attempt + 1 if newest else 1)
            if journal is not None:
                self._keep_journal(unit, journal)
            return self._entry(entry_id)

    def submitted(self, entry_id: int, job_id: str, group_id: str = "") -> Entry:
        """Write down the job that an intent became; returns the attempt.

        Args:
            entry_id: The attempt.
            job_id: The platform's.
            group_id: The session or batch, if submitting opened one; else what the intent says.

        Raises:
            LedgerError: If the attempt has another job or was replaced, or the job belongs to
                another attempt.
        """
        with self._file.transaction():
            entry = self._entry(entry_id)
            self._check_free(job_id, entry_id)
            if (entry.state, entry.job_id) == ("submitted", job_id):
                return entry
            require_follows(entry, "submitted", f"job {job_id}")
            # One that is adopted after all is no duplicate any more.
            self._file.execute("DELETE FROM duplicates WHERE job_id = :job", {"job": job_id})
            return self._store(
                replace(
                    entry,
                    state="submitted",
                    job_id=job_id,
                    group_id=group_id or entry.group_id,
                    submitted_at=self._clock.now(),
                )
            )

    def done(
        self, entry_id: int, results: Sequence[PubValues], report: JobReport, calibration: str
    ) -> Entry:
        """Write down the results; the same results again only add what the report tells anew.

        Args:
            entry_id: The attempt.
            results: One per PUB.
            report: The platform's, of this attempt's job.
            calibration: The platform's JSON that the job ran under; empty where it tells none.

        Returns:
            The attempt.

        Raises:
            LedgerError: If the attempt was not submitted, its job is another, or it has other
                results already; or if a result is not finite.
        """
        arrays = pack_results(results)
        with self._file.transaction():
            entry = self._entry(entry_id)
            require_follows(entry, "done", "a result")
            if entry.state == "done":
                self._check_same_results(entry, arrays)
            else:
                self._file.execute(
                    "INSERT INTO results (entry_id, arrays) VALUES (:entry, :arrays)",
                    {"entry": entry_id, "arrays": arrays},
                )
            self._check_own(entry, report)
            digest = self._keep_calibration(calibration) or entry.calibration_digest
            return self._end(replace(entry, calibration_digest=digest), "done", report)

    def failed(self, entry_id: int, report: JobReport | None, reason: str) -> Entry:
        """Write down that an attempt ended without a result; once more updates its facts.

        Args:
            entry_id: The attempt.
            report: The platform's; None if the platform has no job of it.
            reason: Kept as `platform["reason"]` where the report gives none.

        Returns:
            The attempt.

        Raises:
            LedgerError: If the attempt is done or replaced, or its job is another.
        """
        with self._file.transaction():
            entry = self._entry(entry_id)
            require_follows(entry, "failed", "a failure")
            if report is not None:
                self._check_own(entry, report)
            return self._end(entry, "failed", report, reason)

    def keep_calibration(self, content: str) -> str:
        """Keep a calibration that no job ran under yet; returns its digest, empty for none.

        Args:
            content: The platform's JSON, as for a job that ran under it.
        """
        with self._file.transaction():
            return self._keep_calibration(content)

    def duplicate(self, entry_id: int, report: JobReport, action: str) -> None:
        """Write down a second job that was found for a unit; what it used counts as spent.

        The same job again updates what is known of it.

        Args:
            entry_id: The attempt it belongs to.
            report: The platform's.
            action: What was done with it, such as `cancelled`.

        Raises:
            LedgerError: If the job is an attempt's own.
        """
        with self._file.transaction():
            self._entry(entry_id)
            self._check_free(report.job_id, None)
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

    def group_opened(self, group_id: str, mode: Mode, device: str, run: str) -> None:
        """Write down a session or batch, so that it can be closed after a crash."""
        with self._file.transaction():
            self._file.execute(
                """
                INSERT INTO groups (id, mode, device, run, owner, opened_at)
                VALUES (:id, :mode, :device, :run, :owner, :now) ON CONFLICT (id) DO NOTHING
                """,
                {
                    "id": group_id,
                    "mode": mode,
                    "device": device,
                    "run": run,
                    "owner": this_owner(),
                    "now": self._clock.now(),
                },
            )

    def group_closed(self, group_id: str) -> None:
        """Write down that a session or batch is closed."""
        with self._file.transaction():
            self._file.execute(
                "UPDATE groups SET closed_at = :now WHERE id = :id AND closed_at IS NULL",
                {"id": group_id, "now": self._clock.now()},
            )

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

    def _store(self, entry: Entry) -> Entry:
        """Store what may change of an attempt, as read in this transaction; returns it."""
        self._file.execute(
            """
            UPDATE entries
               SET state = :state, job_id = :job_id, group_id = :group_id,
                   submitted_at = :submitted_at, finished_at = :finished_at,
                   usage_seconds = :usage_seconds, platform = :platform,
                   calibration_digest = :calibration_digest
             WHERE id = :id
            """,
            {**vars(entry), "platform": json.dumps(entry.platform)},
        )
        return entry

    def _end(
        self,
        entry: Entry,
        state: Literal["done", "failed"],
        report: JobReport | None,
        reason: str = "",
    ) -> Entry:
        """End an attempt; what was told earlier and is not told now is kept."""
        if report is not None:
            billed = report.usage_seconds
            entry = replace(
                entry,
                job_id=report.job_id,
                usage_seconds=entry.usage_seconds if billed is None else float(billed),
                platform=entry.platform | platform_facts(report),
            )
        platform = entry.platform | {"reason": entry.platform.get("reason") or reason}
        first = self._clock.now() if entry.finished_at is None else entry.finished_at
        return self._store(replace(entry, state=state, platform=platform, finished_at=first))

    def _keep_journal(self, unit: Unit, content: bytes) -> None:
        self._file.execute(
            """
            INSERT OR REPLACE INTO journals (run, phase, upd, step, part, content)
            VALUES (:run, :phase, :upd, :step, :part, :content)
            """,
            {**unit_values(unit), "content": content},
        )

    def _keep_calibration(self, content: str) -> str:
        """Store a calibration once, however many jobs ran under it; returns its digest."""
        if not content:
            return ""
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        self._file.execute(
            """
            INSERT INTO calibrations (digest, content) VALUES (:digest, :content)
            ON CONFLICT (digest) DO NOTHING
            """,
            {"digest": digest, "content": content},
        )
        return digest

    def _check_own(self, entry: Entry, report: JobReport) -> None:
        if entry.job_id not in ("", report.job_id):
            raise LedgerError(
                f"Job {report.job_id} is not that of {entry.name}: {entry.job_id} is.",
                f"`qhw jobs show {entry.job_id}` tells about that one.",
            )
        self._check_free(report.job_id, entry.id)

    def _check_free(self, job_id: str, entry_id: int | None) -> None:
        """A job belongs to one attempt, or its use would be counted twice."""
        holder = self.find_job(job_id)
        if holder and holder.id != entry_id:
            raise LedgerError(
                f"Job {job_id} already belongs to {holder.name}.",
                f"`qhw jobs show {job_id}` tells what it computed.",
            )

    def _check_same_results(self, entry: Entry, arrays: bytes) -> None:
        if pack_results(self.result(entry)) != arrays:
            raise LedgerError(
                f"{entry.name} is done, with results unlike those of job {entry.job_id}.",
                f"`qhw jobs show {entry.job_id}` tells what is stored; it is kept.",
            )
