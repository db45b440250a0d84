"""The ledger's SQLite file: private, safe for several processes, on the disk at each commit."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from qhw.errors import LedgerError

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
"""How long to wait for another process's commit, which takes milliseconds."""
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    phase TEXT NOT NULL,
    upd INTEGER NOT NULL,
    step INTEGER NOT NULL,
    part INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    digest TEXT NOT NULL,
    device TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('intent', 'submitted', 'done', 'failed', 'superseded')),
    job_id TEXT NOT NULL DEFAULT '',
    group_id TEXT NOT NULL,
    shapes TEXT NOT NULL,
    circuits INTEGER NOT NULL,
    shots INTEGER NOT NULL,
    quoted_seconds REAL NOT NULL,
    owner TEXT NOT NULL,
    intended_at REAL NOT NULL,
    submitted_at REAL,
    finished_at REAL,
    usage_seconds REAL,
    platform TEXT NOT NULL DEFAULT '{}',
    calibration_digest TEXT NOT NULL DEFAULT '',
    UNIQUE (run, phase, upd, step, part, attempt),
    CHECK (job_id != '' OR state NOT IN ('submitted', 'done'))
);
CREATE UNIQUE INDEX entries_by_job ON entries (job_id) WHERE job_id != '';
CREATE INDEX entries_by_device ON entries (device, state);

CREATE TABLE results (
    entry_id INTEGER PRIMARY KEY REFERENCES entries (id),
    arrays BLOB NOT NULL
);

CREATE TABLE calibrations (
    digest TEXT PRIMARY KEY,
    content TEXT NOT NULL
);

CREATE TABLE journals (
    run TEXT PRIMARY KEY,
    phase TEXT NOT NULL,
    upd INTEGER NOT NULL,
    step INTEGER NOT NULL,
    part INTEGER NOT NULL,
    content BLOB NOT NULL
);

CREATE TABLE duplicates (
    job_id TEXT PRIMARY KEY,
    entry_id INTEGER NOT NULL REFERENCES entries (id),
    action TEXT NOT NULL,
    found_at REAL NOT NULL,
    usage_seconds REAL,
    platform TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    mode TEXT NOT NULL,
    device TEXT NOT NULL,
    run TEXT NOT NULL,
    owner TEXT NOT NULL,
    opened_at REAL NOT NULL,
    closed_at REAL
);

-- Every job that was sent, or may have been: an intent's job may be on the platform.
CREATE VIEW sent_jobs AS
    SELECT run, device, circuits, shots, quoted_seconds, usage_seconds,
           COALESCE(finished_at, submitted_at, intended_at) AS known_at
      FROM entries
     WHERE job_id != '' OR state = 'intent'
    UNION ALL
    SELECT run, device, circuits, shots, quoted_seconds, duplicates.usage_seconds, found_at
      FROM duplicates JOIN entries ON entries.id = duplicates.entry_id;
"""

Values = Mapping[str, object]


class LedgerFile:
    """One connection, shared by the threads of one process; do not carry it across a fork.

    Args:
        path: Created with its folder (0700) when missing; the file is 0600.

    Raises:
        LedgerError: If it is damaged, newer than this program, or cannot be opened. What is there
            is never overwritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._one_opener():
            # SQLite gives its -wal and -shm files the mode of the main file. The file must not be
            # opened here if it exists: closing it would drop the locks SQLite holds on it in this
            # process.
            try:
                path.touch(mode=0o600, exist_ok=False)
            except FileExistsError:
                path.chmod(0o600)
            with _translated(path):
                self._connection = sqlite3.connect(
                    path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what happens inside is on the disk when the block ends, or undone."""
        # IMMEDIATE: what is read inside is still so when it is written.
        with self._lock, _translated(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    def execute(self, sql: str, values: Values) -> int:
        """Run one statement; returns the id of the row it inserted."""
        with self._lock, _translated(self.path):
            return self._connection.execute(sql, values).lastrowid or 0

    def rows(self, sql: str, values: Values) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock, _translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values) -> sqlite3.Row | None:
        """The first row of a query, if there is one."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def require_whole(self) -> None:
        """Look at every page of the file, as SQLite's quick check does.

        Raises:
            LedgerError: If something is wrong with one.
        """
        found = [str(row[0]) for row in self.rows("PRAGMA quick_check", {})]
        if found != ["ok"]:
            raise LedgerError(
                f"The ledger {self.path} is damaged: {found[0]}. It is kept as it is.",
                _move_away(self.path),
            )

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _one_opener(self) -> Iterator[None]:
        """Let one process at a time prepare the file: SQLite does not queue for a switch to WAL."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self.path.with_name(f"{self.path.name}.lock"), BUSY_SECONDS, mode=0o600):
                yield
        except OSError as error:  # Timeout is one, too
            reason = "another process holds its lock" if isinstance(error, Timeout) else error
            raise LedgerError(
                f"The ledger {self.path} cannot be opened: {reason}",
                "Make its folder writable, or move it by setting XDG_DATA_HOME.",
            ) from error

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        with _translated(self.path):
            version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA_VERSION:
                raise LedgerError(
                    f"The ledger {self.path} has schema {version}; this qhw knows "
                    f"{SCHEMA_VERSION}.",
                    "Upgrade with `pip install --upgrade qhw`.",
                )
            if not version:
                self._create()
            # FULL: a commit is on the disk before the request that it announces is sent.
            for setting in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {setting}")

    def _create(self) -> None:
        if self._connection.execute("SELECT name FROM sqlite_schema").fetchone():
            raise LedgerError(
                f"{self.path} is a database, but not a ledger of qhw.", _move_away(self.path)
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its user can read (0700).

    Raises:
        LedgerError: If it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise LedgerError(
            f"The ledger's folder {folder} cannot be made: {error}",
            "Set XDG_DATA_HOME to a folder that you may write to.",
        ) from error


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(DAMAGED):
            raise LedgerError(
                f"The ledger {path} is damaged: {error}. It is kept as it is.", _move_away(path)
            ) from error
        raise LedgerError(
            f"The ledger {path} cannot be used: {error}",
            "Check that its disk has space and its folder is writable, then go on with `--resume`.",
        ) from error


def _move_away(path: Path) -> str:
    """How to start a new one; its -wal must go too, or SQLite would read it into the new file."""
    aside = shlex.quote(str(path.parent / "damaged"))
    return f"To start a new one: mkdir {aside} && mv {shlex.quote(str(path))}* {aside}/"
