"""The ledger of paid work: the intent before it is sent, the job after it, the result before use.

Every method is one transaction that is on the disk when it returns, so that a process killed at
any moment leaves a file from which the next one knows what may have been paid for.

    intent ──> submitted ──> done
       └──────────┴────────> failed        an intent or a failure ──> superseded by attempt n + 1

The file holds no account and no token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import platformdirs

from qhw.errors import LedgerError
from qhw.jobs.clock import Clock, SystemClock
from qhw.jobs.ledger.file import LedgerFile, make_private_folder
from qhw.jobs.ledger.owner import owner_alive, this_owner
from qhw.jobs.ledger.records import (
    Duplicate,
    Entry,
    EntryState,
    Group,
    Intent,
    Spent,
    duplicate_of,
    entry_name,
    entry_of,
    pack_results,
    platform_facts,
    unit_of,
    unit_values,
    unpack_results,
)
from qhw.jobs.request import Unit
from qhw.jobs.runner import JobReport, Mode, PubValues
from qhw.known import LIVE_PREFIX

"""Names of devices that cost money begin so."""


class LedgerQueries:
    """The questions that change nothing.

    Args:
        file: The open ledger.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

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
                f"There is no result of {entry_name(entry)}, which is {entry.state}.",
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

    def spent(self, run: str) -> Spent:
        """What a run has sent and used."""
        return self._spent(run=run)

    def spent_since(self, device_prefix: str, since: float) -> Spent:
        """What was sent and used on some devices, by all runs.

        Args:
            device_prefix: How the devices' names begin, such as `ibm_`.
            since: Seconds since 1970; jobs that were last heard of earlier are left out.
        """
        return self._spent(prefix=device_prefix, since=since)

    def pending(self, device: str) -> int:
        """Jobs of all runs and processes that were submitted to a device and have not ended."""
        row = self._file.row(
            "SELECT COUNT(*) AS n FROM entries WHERE device = :device AND state = 'submitted'",
            {"device": device},
        )
        return int(row["n"]) if row else 0

    def posts_between(self, since: float, until: float) -> list[float]:
        """When intents were written for devices that cost money, oldest first."""
        rows = self._file.rows(
            """
            SELECT intended_at FROM entries
             WHERE intended_at BETWEEN :since AND :until
               AND substr(device, 1, length(:paid)) = :paid
             ORDER BY intended_at
            """,
            {"since": since, "until": until, "paid": LIVE_PREFIX},
        )
        return [row["intended_at"] for row in rows]

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

    def _spent(self, run: str | None = None, prefix: str = "", since: float = 0.0) -> Spent:
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
        return Spent(**row)


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


__all__ = [
    "Duplicate",
    "Entry",
    "EntryState",
    "Group",
    "Intent",
    "Ledger",
    "Spent",
    "owner_alive",
    "this_owner",
]


class Ledger(LedgerRows):
    """All paid work of one user; threads and processes may share the file.

    Args:
        path: The file; made when missing.
        clock: Dates what happens.

    Raises:
        LedgerError: By every method, if the file is damaged, full, or newer than this program.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(LedgerFile(path), clock)

    @classmethod
    def of_user(cls, clock: Clock | None = None) -> Ledger:
        """The one that commands use; XDG_DATA_HOME moves it."""
        path = cls.path_of_user()
        make_private_folder(path.parent)
        return cls(path, clock or SystemClock())

    @staticmethod
    def path_of_user() -> Path:
        """Where that is, whether it is there or not."""
        return Path(platformdirs.user_data_dir("qhw")) / "ledger.sqlite"

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
        """Write down that a unit is about to be sent, before it is.

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
            newest = self.latest(unit)
            _check_replaceable(unit, newest, request_facts.earlier)
            if newest:
                self._set_state(newest.id, "superseded")
            entry_id = self._insert_entry(unit, request_facts, newest.attempt + 1 if newest else 1)
            if journal is not None:
                self._keep_journal(unit, journal)
            return self._entry(entry_id)

    def submitted(self, entry_id: int, job_id: str, group_id: str = "") -> None:
        """Write down the job that an intent became.

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
            if (entry.state, entry.job_id) != ("submitted", job_id):
                _check_state(entry, "intent", f"job {job_id}")
                self._set_job(entry_id, job_id, group_id)

    def done(
        self, entry_id: int, results: Sequence[PubValues], report: JobReport, calibration: str
    ) -> None:
        """Write down the results; the same results again only add what the report tells anew.

        Args:
            entry_id: The attempt.
            results: One per PUB.
            report: The platform's, of this attempt's job.
            calibration: The platform's JSON that the job ran under; empty where it tells none.

        Raises:
            LedgerError: If the attempt was not submitted, its job is another, or it has other
                results already; or if a result is not finite.
        """
        arrays = pack_results(results)
        with self._file.transaction():
            entry = self._entry(entry_id)
            if entry.state == "done":
                self._check_same_results(entry, arrays)
            else:
                _check_state(entry, "submitted", "a result")
                self._file.execute(
                    "INSERT INTO results (entry_id, arrays) VALUES (:entry, :arrays)",
                    {"entry": entry_id, "arrays": arrays},
                )
            self._check_own(entry, report)
            self._finish(entry, "done", report)
            self._keep_calibration(entry_id, calibration)

    def failed(self, entry_id: int, report: JobReport | None, reason: str) -> None:
        """Write down that an attempt ended without a result; once more updates its facts.

        Args:
            entry_id: The attempt.
            report: The platform's; None if the platform has no job of it.
            reason: Kept as `platform["reason"]` where the report gives none.

        Raises:
            LedgerError: If the attempt is done or replaced, or its job is another.
        """
        with self._file.transaction():
            entry = self._entry(entry_id)
            if entry.state not in ("intent", "submitted", "failed"):
                _check_state(entry, "submitted", "a failure")
            self._check_own(entry, report)
            self._finish(entry, "failed", report, reason)

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
            self._insert_duplicate(entry_id, report, action)

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

    def _check_own(self, entry: Entry, report: JobReport | None) -> None:
        if report is None:
            return
        if entry.job_id not in ("", report.job_id):
            raise LedgerError(
                f"Job {report.job_id} is not that of {entry_name(entry)}: {entry.job_id} is.",
                f"`qhw jobs show {entry.job_id}` tells about that one.",
            )
        self._check_free(report.job_id, entry.id)

    def _check_free(self, job_id: str, entry_id: int | None) -> None:
        """A job belongs to one attempt, or its use would be counted twice."""
        holder = self.find_job(job_id)
        if holder and holder.id != entry_id:
            raise LedgerError(
                f"Job {job_id} already belongs to {entry_name(holder)}.",
                f"`qhw jobs show {job_id}` tells what it computed.",
            )

    def _check_same_results(self, entry: Entry, arrays: bytes) -> None:
        if pack_results(self.result(entry)) != arrays:
            raise LedgerError(
                f"{entry_name(entry)} is done, with results unlike those of job {entry.job_id}.",
                f"`qhw jobs show {entry.job_id}` tells what is stored; it is kept.",
            )


def _check_replaceable(unit: Unit, newest: Entry | None, earlier: int | None) -> None:
    if newest is None and earlier is None:
        return
    if newest is None or newest.id != earlier:
        owner = f"process {newest.owner}" if newest else "no process"
        raise LedgerError(
            f"{unit.key} is not ours to send: {owner} has its newest attempt.",
            "Let that process finish, or stop it; then the same command with `--resume`.",
        )
    if newest.state in ("submitted", "done"):
        raise LedgerError(
            f"{entry_name(newest)} is {newest.state}: sending it again would be paid for twice.",
            f"`qhw jobs collect {newest.job_id}` fetches what it measured.",
        )


def _check_state(entry: Entry, wanted: EntryState, news: str) -> None:
    if entry.state != wanted:
        job = f" as job {entry.job_id}" if entry.job_id else ""
        raise LedgerError(
            f"{entry_name(entry)} is {entry.state}{job}: {news} does not fit.",
            "`qhw jobs list` shows how each attempt stands.",
        )
