from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qhw.errors import LedgerError
from qhw.jobs.ledger import Entry, Intent, Ledger, Totals, owner_alive, this_owner
from qhw.jobs.ledger.file import SCHEMA_VERSION, LedgerFile
from qhw.jobs.request import Unit
from qhw.jobs.runner import JobReport, PubValues
from tests.clock import SteppedClock

UNIT = Unit("run-a", "rollout", 1, 7, 0)
INTENT = Intent("d" * 32, "ibm_fez", "", ((60, 4), (4, 4)), shots=100, quoted_seconds=4.0)
PUBS = (PubValues(np.full((2, 4), 0.25), np.full((2, 4), 0.01)),)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, clock: SteppedClock) -> Iterator[Ledger]:
    with Ledger(path, clock) as opened:
        yield opened


def submitted(ledger: Ledger, unit: Unit, job_id: str, intent: Intent = INTENT) -> Entry:
    entry = ledger.intend(unit, intent, None)
    ledger.submitted(entry.id, job_id)
    return entry


def finished(ledger: Ledger, unit: Unit, job_id: str, usage: float | None) -> Entry:
    entry = submitted(ledger, unit, job_id)
    ledger.done(entry.id, PUBS, JobReport(job_id, "done", usage_seconds=usage), "")
    return entry


def again(ledger: Ledger, unit: Unit = UNIT) -> Entry:
    entry = ledger.latest(unit)
    assert entry is not None
    return entry


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the life of a unit ------------------------------------------------------------------------


def test_a_unit_from_intent_to_result(ledger: Ledger, clock: SteppedClock) -> None:
    assert ledger.latest(UNIT) is None
    entry = ledger.intend(UNIT, INTENT, b"journal")
    assert (entry.unit, entry.attempt, entry.state, entry.job_id) == (UNIT, 1, "intent", "")
    assert (entry.owner, entry.intended_at, entry.platform) == (this_owner(), 1000.0, {})
    clock.sleep(1)
    ledger.submitted(entry.id, "job-1", "session-1")
    report = JobReport("job-1", "done", (), None, 3.5, "10:00", "10:01", "10:02")
    clock.sleep(1)
    ledger.done(entry.id, PUBS, report, '{"t1": 1}')
    assert again(ledger) == replace(
        entry,
        state="done",
        job_id="job-1",
        group_id="session-1",
        submitted_at=1001.0,
        finished_at=1002.0,
        usage_seconds=3.5,
        platform={
            "status": "done",
            "created": "10:00",
            "started": "10:01",
            "finished": "10:02",
            "reason": "",
        },
        calibration_digest=hashlib.sha256(b'{"t1": 1}').hexdigest()[:16],
    )
    assert ledger.calibration(again(ledger).calibration_digest) == '{"t1": 1}'


def test_results_come_back_bit_for_bit(ledger: Ledger) -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(size=(64, 4))
    values[0] = [-0.0, 5e-324, np.nextafter(1.0, 2.0), -1.0]
    results = (
        PubValues(values, np.abs(values)),
        PubValues(np.asfortranarray(values[:2]), np.zeros((2, 4))),
    )
    entry = submitted(ledger, UNIT, "job-1")
    ledger.done(entry.id, results, JobReport("job-1", "done"), "")
    for sent, kept in zip(results, ledger.result(entry), strict=True):
        assert sent.values.tobytes() == kept.values.tobytes()
        assert sent.standard_errors.tobytes() == kept.standard_errors.tobytes()
        assert kept.values.dtype == np.float64


@pytest.mark.parametrize(
    "array",
    [
        np.array([[np.nan]]),
        np.array([[np.inf]]),
        np.array([1.0]),
        np.array([[1.0]], np.float32),
        np.array([[None]]),
    ],
    ids=["nan", "inf", "one dimension", "float32", "object"],
)
def test_what_is_not_a_result_is_refused(ledger: Ledger, array: NDArray[Any]) -> None:
    entry = submitted(ledger, UNIT, "job-1")
    with pytest.raises(LedgerError, match="Result 0 cannot be stored"):
        ledger.done(entry.id, [PubValues(array, np.zeros((1, 1)))], JobReport("job-1", "done"), "")
    assert again(ledger).state == "submitted"


def test_a_result_that_is_not_there(ledger: Ledger) -> None:
    entry = submitted(ledger, UNIT, "job-1")
    with pytest.raises(LedgerError, match=r"no result of run-a/rollout/1/7/0 attempt 1.*intent"):
        ledger.result(entry)


def test_a_damaged_result_is_found(ledger: Ledger, path: Path) -> None:
    entry = finished(ledger, UNIT, "job-1", 1.0)
    database = sqlite3.connect(path)
    (arrays,) = database.execute("SELECT arrays FROM results").fetchone()
    where = arrays.index(np.float64(0.25).tobytes())
    damaged = arrays[:where] + b"\x01" + arrays[where + 1 :]
    database.execute("UPDATE results SET arrays = ?", (damaged,))
    database.commit()
    database.close()
    with pytest.raises(LedgerError, match="stored result is damaged"):
        ledger.result(entry)


def test_results_cannot_be_replaced_by_others(ledger: Ledger) -> None:
    entry = finished(ledger, UNIT, "job-1", None)
    ledger.done(entry.id, PUBS, JobReport("job-1", "done", usage_seconds=2.5), "")
    assert again(ledger).usage_seconds == 2.5
    other = (PubValues(np.zeros((2, 4)), np.zeros((2, 4))),)
    with pytest.raises(LedgerError, match="is done, with results unlike"):
        ledger.done(entry.id, other, JobReport("job-1", "done"), "")
    assert ledger.result(entry)[0].values[0, 0] == 0.25


def test_a_failure_keeps_the_platforms_words(ledger: Ledger) -> None:
    entry = submitted(ledger, UNIT, "job-1")
    report = JobReport("job-1", "failed", usage_seconds=1.5, reason="code 1305")
    ledger.failed(entry.id, report, "our words")
    failed = again(ledger)
    assert (failed.state, failed.usage_seconds) == ("failed", 1.5)
    assert failed.platform["reason"] == "code 1305"


def test_an_intent_that_was_refused_has_our_words(ledger: Ledger) -> None:
    entry = ledger.intend(UNIT, INTENT, None)
    ledger.failed(entry.id, None, "400: no sessions")
    assert again(ledger).platform == {"reason": "400: no sessions"}
    assert ledger.spent("run-a").jobs == 0


def test_a_calibration_is_stored_once(ledger: Ledger, path: Path) -> None:
    for step in range(3):
        entry = submitted(ledger, replace(UNIT, step=step), f"job-{step}")
        ledger.done(entry.id, PUBS, JobReport(f"job-{step}", "done"), "the same")
    database = sqlite3.connect(path)
    assert database.execute("SELECT COUNT(*) FROM calibrations").fetchone() == (1,)
    database.close()
    assert ledger.calibration("unknown") == ""


# --- what would pay twice ----------------------------------------------------------------------


def test_a_new_attempt_supersedes_the_earlier_one(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, None)
    second = ledger.intend(UNIT, replace(INTENT, earlier=first.id), None)
    assert second.attempt == 2
    assert [entry.state for entry in ledger.attempts(UNIT)] == ["superseded", "intent"]


@pytest.mark.parametrize("earlier", [None, 99])
def test_a_unit_that_another_process_has_is_refused(ledger: Ledger, earlier: int | None) -> None:
    ledger.intend(UNIT, INTENT, b"theirs")
    with pytest.raises(LedgerError, match=f"not ours to send: process {this_owner()}"):
        ledger.intend(UNIT, replace(INTENT, earlier=earlier), b"ours")
    assert ledger.latest_journal("run-a") == (UNIT, b"theirs")


def test_an_attempt_is_replaced_once(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, None)
    ledger.intend(UNIT, replace(INTENT, earlier=first.id), None)
    with pytest.raises(LedgerError, match="not ours to send"):
        ledger.intend(UNIT, replace(INTENT, earlier=first.id), None)


def test_work_that_is_paid_for_is_never_replaced(ledger: Ledger) -> None:
    entry = submitted(ledger, UNIT, "job-1")
    with pytest.raises(LedgerError, match="is submitted: sending it again would be paid"):
        ledger.intend(UNIT, replace(INTENT, earlier=entry.id), None)
    ledger.done(entry.id, PUBS, JobReport("job-1", "done"), "")
    with pytest.raises(LedgerError, match="is done: sending it again would be paid"):
        ledger.intend(UNIT, replace(INTENT, earlier=entry.id), None)


def test_a_job_belongs_to_one_attempt(ledger: Ledger) -> None:
    entry = submitted(ledger, UNIT, "job-1")
    ledger.submitted(entry.id, "job-1")  # told again: nothing happens
    other = ledger.intend(replace(UNIT, step=8), INTENT, None)
    with pytest.raises(LedgerError, match=r"job-1 already belongs to run-a/rollout/1/7/0"):
        ledger.submitted(other.id, "job-1")
    with pytest.raises(LedgerError, match=r"is submitted as job job-1: job job-2 does not fit"):
        ledger.submitted(entry.id, "job-2")
    with pytest.raises(LedgerError, match=r"job-2 is not that of .*: job-1 is"):
        ledger.done(entry.id, PUBS, JobReport("job-2", "done"), "")
    with pytest.raises(LedgerError, match="already belongs"):
        ledger.duplicate(entry.id, JobReport("job-1", "queued"), "cancelled")


def test_a_job_needs_an_id(ledger: Ledger) -> None:
    entry = ledger.intend(UNIT, INTENT, None)
    with pytest.raises(LedgerError, match="CHECK"):
        ledger.submitted(entry.id, "")
    assert again(ledger).state == "intent"


def test_states_only_go_forward(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, None)
    with pytest.raises(LedgerError, match="is intent: a result does not fit"):
        ledger.done(first.id, PUBS, JobReport("job-1", "done"), "")
    second = ledger.intend(UNIT, replace(INTENT, earlier=first.id), None)
    with pytest.raises(LedgerError, match="is superseded: job job-1 does not fit"):
        ledger.submitted(first.id, "job-1")
    ledger.submitted(second.id, "job-2")
    ledger.done(second.id, PUBS, JobReport("job-2", "done"), "")
    with pytest.raises(LedgerError, match="is done as job job-2: a failure does not fit"):
        ledger.failed(second.id, None, "late")
    with pytest.raises(LedgerError, match="no entry 77"):
        ledger.failed(77, None, "late")


# --- journals ----------------------------------------------------------------------------------


def test_only_a_runs_newest_journal_is_kept(ledger: Ledger) -> None:
    assert ledger.latest_journal("run-a") is None
    for step in range(3):
        ledger.intend(replace(UNIT, step=step), INTENT, b"%d" % step)
    ledger.intend(replace(UNIT, run="run-b"), INTENT, b"other run")
    ledger.intend(replace(UNIT, step=3), INTENT, None)
    assert ledger.latest_journal("run-a") == (replace(UNIT, step=2), b"2")
    assert ledger.latest_journal("run-b") == (replace(UNIT, run="run-b"), b"other run")


def test_journal_and_intent_are_one(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ledger.intend(UNIT, INTENT, b"first")

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("_insert_entry", "_keep_journal", "_entry"):
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, name, power_cut)
            with pytest.raises(KeyboardInterrupt):
                ledger.intend(UNIT, replace(INTENT, earlier=first.id), b"second")
        assert ledger.attempts(UNIT) == [first]
        assert ledger.latest_journal("run-a") == (UNIT, b"first")
    ledger.intend(UNIT, replace(INTENT, earlier=first.id), b"second")
    assert ledger.latest_journal("run-a") == (UNIT, b"second")


# --- sums --------------------------------------------------------------------------------------


def test_nothing_is_spent_at_first(ledger: Ledger) -> None:
    assert ledger.spent("run-a") == Totals(0, 0, 0, 0.0, 0)


def test_everything_that_was_sent_is_spent(ledger: Ledger) -> None:
    finished(ledger, replace(UNIT, step=0), "job-0", 3.0)
    finished(ledger, replace(UNIT, step=1), "job-1", None)
    submitted(ledger, replace(UNIT, step=2), "job-2")
    ledger.intend(replace(UNIT, step=3), INTENT, None)
    failed = submitted(ledger, replace(UNIT, step=4), "job-4")
    ledger.failed(failed.id, JobReport("job-4", "failed", usage_seconds=0.5), "")
    retried = replace(INTENT, earlier=failed.id)
    ledger.duplicate(failed.id, JobReport("job-5", "cancelled", usage_seconds=1.25), "cancelled")
    submitted(ledger, replace(UNIT, step=4), "job-6", retried)
    finished(ledger, replace(UNIT, run="run-b"), "job-7", 50.0)
    spent = ledger.spent("run-a")
    assert spent == Totals(
        jobs=7,
        circuits=7 * 64,
        shots=7 * 6400,
        qpu_seconds=3.0 + 0.5 + 1.25 + 4 * 4.0,
        estimated_jobs=4,
    )


def test_an_intent_that_never_became_a_job_costs_nothing(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, None)
    assert ledger.spent("run-a").estimated_jobs == 1
    submitted(ledger, UNIT, "job-1", replace(INTENT, earlier=first.id))
    assert ledger.spent("run-a").jobs == 1


def test_duplicates_are_listed_and_updated(ledger: Ledger, clock: SteppedClock) -> None:
    entry = submitted(ledger, UNIT, "job-1")
    ledger.duplicate(entry.id, JobReport("job-2", "running"), "told to stop")
    clock.sleep(5)
    ended = JobReport("job-2", "cancelled", usage_seconds=2.0, created="10:00", reason="user")
    ledger.duplicate(entry.id, ended, "cancelled")
    (duplicate,) = ledger.duplicates("run-a")
    assert (duplicate.entry_id, duplicate.action) == (entry.id, "cancelled")
    assert (duplicate.report, duplicate.found_at) == (ended, 1000.0)
    assert ledger.duplicates() == [duplicate]
    assert ledger.duplicates("run-b") == []


def test_a_duplicate_that_is_adopted_counts_once(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, None)
    ledger.duplicate(first.id, JobReport("job-1", "queued"), "left alone")
    ledger.submitted(first.id, "job-1")
    assert ledger.spent("run-a").jobs == 1
    assert ledger.duplicates() == []


def test_the_plans_window(ledger: Ledger, clock: SteppedClock) -> None:
    finished(ledger, replace(UNIT, step=0), "job-0", 3.0)
    clock.sleep(100)
    finished(ledger, replace(UNIT, run="run-b"), "job-1", 5.0)
    local = replace(INTENT, device="ibmXfake")  # the underscore is no wildcard
    submitted(ledger, replace(UNIT, step=1), "job-2", local)
    assert ledger.spent_since("ibm_", 0.0).qpu_seconds == 8.0
    assert ledger.spent_since("ibm_", 1050.0).qpu_seconds == 5.0
    assert ledger.spent_since("ibm_marrakesh", 0.0).jobs == 0


def test_jobs_pending_at_a_device(ledger: Ledger) -> None:
    submitted(ledger, replace(UNIT, step=0), "job-0")
    submitted(ledger, replace(UNIT, run="run-b"), "job-1")
    submitted(ledger, replace(UNIT, step=1), "job-2", replace(INTENT, device="fake_fez"))
    finished(ledger, replace(UNIT, step=2), "job-3", 1.0)
    ledger.intend(replace(UNIT, step=3), INTENT, None)
    assert [entry.job_id for entry in ledger.pending("ibm_fez")] == ["job-0", "job-1"]


def test_submissions_of_the_last_minute(ledger: Ledger, clock: SteppedClock) -> None:
    for step in range(3):
        ledger.intend(replace(UNIT, step=step), INTENT, None)
        clock.sleep(30)
    ledger.intend(replace(UNIT, step=3), replace(INTENT, device="fake_fez"), None)
    assert ledger.posts_between(clock.now() - 60, clock.now()) == [1030.0, 1060.0]


def test_entries_by_run_and_state(ledger: Ledger) -> None:
    finished(ledger, replace(UNIT, step=0), "job-0", 1.0)
    submitted(ledger, replace(UNIT, step=1), "job-1")
    ledger.intend(replace(UNIT, run="run-b"), INTENT, None)
    states = [entry.state for entry in ledger.entries()]
    assert states == ["done", "submitted", "intent"]
    assert len(ledger.entries("run-a")) == 2
    assert [entry.job_id for entry in ledger.entries(states=["submitted"])] == ["job-1"]
    assert ledger.entries("run-b", ["done", "failed"]) == []
    assert ledger.entries(states=[]) == []


def test_a_job_is_found_by_its_id(ledger: Ledger) -> None:
    ledger.intend(UNIT, INTENT, None)
    entry = submitted(ledger, replace(UNIT, step=8), "job-1")
    found = ledger.find_job("job-1")
    assert found is not None
    assert found.id == entry.id
    assert ledger.find_job("job-2") is None
    assert ledger.find_job("") is None


def test_open_sessions_are_known_until_they_are_closed(ledger: Ledger) -> None:
    ledger.group_opened("s-1", "session", "ibm_fez", "run-a")
    ledger.group_opened("s-1", "session", "ibm_fez", "run-a")
    ledger.group_opened("b-1", "batch", "ibm_fez", "run-b")
    assert [group.id for group in ledger.open_groups()] == ["b-1", "s-1"]
    (session,) = ledger.open_groups("run-a")
    assert (session.mode, session.owner, session.opened_at) == ("session", this_owner(), 1000.0)
    ledger.group_closed("s-1")
    assert ledger.open_groups("run-a") == []


# --- the file ----------------------------------------------------------------------------------


def test_the_file_is_private(path: Path, clock: SteppedClock) -> None:
    earlier = os.umask(0)
    try:
        with Ledger(path, clock) as ledger:
            ledger.intend(UNIT, INTENT, b"journal")
            files = sorted(path.parent.iterdir())
            modes = {file.name: mode(file) for file in files}
    finally:
        os.umask(earlier)
    assert mode(path.parent) == 0o700
    assert modes == dict.fromkeys(
        ["ledger.sqlite", "ledger.sqlite-shm", "ledger.sqlite-wal", "ledger.sqlite.lock"], 0o600
    )


def test_a_file_that_all_could_read_is_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    Ledger.of_user().close()
    path = tmp_path / "qhw" / "ledger.sqlite"
    path.chmod(0o644)
    path.parent.chmod(0o755)
    with Ledger.of_user() as ledger:
        assert ledger.path == path
        ledger.intend(UNIT, INTENT, None)
        assert (mode(path.parent), mode(path)) == (0o700, 0o600)
        assert mode(path.with_name("ledger.sqlite-wal")) == 0o600


def test_a_commit_is_on_the_disk(path: Path) -> None:
    file = LedgerFile(path)
    assert file.row("PRAGMA synchronous", {})["synchronous"] == 2  # type: ignore[index]
    assert file.row("PRAGMA journal_mode", {})["journal_mode"] == "wal"  # type: ignore[index]
    file.close()
    file.close()


def test_the_ledger_is_there_when_opened_again(path: Path, clock: SteppedClock) -> None:
    with Ledger(path, clock) as ledger:
        entry = finished(ledger, UNIT, "job-1", 2.0)
    with Ledger(path, clock) as ledger:
        assert again(ledger).id == entry.id
        assert ledger.result(entry)[0].values.tobytes() == PUBS[0].values.tobytes()


def test_a_newer_schema_is_refused(path: Path, clock: SteppedClock) -> None:
    Ledger(path, clock).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(LedgerError, match=r"has schema 2; this qhw knows 1.*\n.*pip install"):
        Ledger(path, clock)


def test_a_file_that_is_no_database_is_kept(path: Path, clock: SteppedClock) -> None:
    path.parent.mkdir()
    content = b"not a database at all " * 500
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"is damaged: .*It is kept as it is.\n.*mkdir"):
        Ledger(path, clock)
    assert path.read_bytes() == content


def test_another_programs_database_is_kept(path: Path, clock: SteppedClock) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (x)")
    database.close()
    content = path.read_bytes()
    with pytest.raises(LedgerError, match="not a ledger of qhw"):
        Ledger(path, clock)
    assert path.read_bytes() == content


def test_a_page_that_is_damaged_is_told_and_kept(path: Path, clock: SteppedClock) -> None:
    with Ledger(path, clock) as ledger:
        for step in range(200):
            ledger.intend(replace(UNIT, step=step), INTENT, b"x" * 5000)
    content = bytearray(path.read_bytes())
    content[4096:] = random.Random(1).randbytes(len(content) - 4096)
    path.write_bytes(content)
    with (
        Ledger(path, clock) as ledger,
        pytest.raises(LedgerError, match=r"is damaged: .*It is kept"),
    ):
        ledger.intend(UNIT, INTENT, None)
    assert path.read_bytes()[4096:] == content[4096:]


def test_a_ledger_cut_short_is_told(path: Path, clock: SteppedClock) -> None:
    with Ledger(path, clock) as ledger:
        ledger.intend(UNIT, INTENT, b"x" * 50_000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LedgerError, match="is damaged"):
        Ledger(path, clock)


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = tmp_path / "qhw"
    blocker.touch()
    with pytest.raises(LedgerError, match=r"cannot be opened.*\n.*XDG_DATA_HOME"):
        Ledger(blocker / "ledger.sqlite", clock)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(LedgerError, match=r"cannot be made.*\n.*XDG_DATA_HOME"):
        Ledger.of_user()


def test_a_full_disk_loses_nothing(ledger: Ledger) -> None:
    first = ledger.intend(UNIT, INTENT, b"first")
    ledger._file.execute("PRAGMA max_page_count = 50", {})
    with pytest.raises(LedgerError, match=r"full.*\n.*disk has space"):
        ledger.intend(replace(UNIT, step=8), INTENT, b"x" * 1_000_000)
    assert ledger.entries() == [first]
    assert ledger.latest_journal("run-a") == (UNIT, b"first")
    ledger.submitted(first.id, "job-1")


# --- several threads and processes -------------------------------------------------------------


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    def work(number: int) -> None:
        for step in range(20):
            finished(ledger, replace(UNIT, part=number, step=step), f"job-{number}-{step}", 1.0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.spent("run-a").jobs == 80
    assert {entry.state for entry in ledger.entries()} == {"done"}


WRITER = """
import sys
from pathlib import Path
import numpy as np
from qhw.jobs.clock import SystemClock
from qhw.jobs.ledger import Intent, Ledger
from qhw.jobs.runner import JobReport, PubValues
from qhw.jobs.request import Unit
path, run, part, count = sys.argv[1:]
intent = Intent("d", "ibm_fez", "", ((64, 4),), 100, 4.0)
pubs = [PubValues(np.full((64, 4), 0.25), np.zeros((64, 4)))]
print("ready", flush=True)
sys.stdin.readline()
with Ledger(Path(path), SystemClock()) as ledger:
    for step in range(int(count)):
        entry = ledger.intend(Unit(run, "rollout", 1, step, int(part)), intent, b"%d" % step * 9999)
        print("intent", step, flush=True)
        job_id = f"{run}-{part}-{step}"
        ledger.submitted(entry.id, job_id)
        print("submitted", step, flush=True)
        ledger.done(entry.id, pubs, JobReport(job_id, "done", usage_seconds=1.0), "calibration")
        print("done", step, flush=True)
"""


def writer(path: Path, run: str, part: int, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(path), run, str(part), str(count)]
    return subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def go(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_processes_share_a_ledger_from_its_first_moment(path: Path, clock: SteppedClock) -> None:
    processes = [writer(path, "run-a", part, 25) for part in range(3)]
    go(*processes)
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with Ledger(path, clock) as ledger:
        assert ledger.spent("run-a") == Totals(75, 75 * 64, 75 * 6400, 75.0, 0)
        assert len({entry.owner for entry in ledger.entries()}) == 3


def test_of_two_processes_one_gets_a_unit(path: Path, clock: SteppedClock) -> None:
    processes = [writer(path, "run-a", 0, 1) for _ in range(2)]
    go(*processes)
    outcomes = sorted(
        (process.communicate(timeout=120)[1], process.pid, process.returncode)
        for process in processes
    )
    assert [code for _, _, code in outcomes] == [0, 1]
    winner = outcomes[0][1]
    owner = f"process {socket.gethostname()}:{winner}:"
    assert f"LedgerError: run-a/rollout/1/0/0 is not ours to send: {owner}" in outcomes[1][0]
    with Ledger(path, clock) as ledger:
        assert len(ledger.attempts(Unit("run-a", "rollout", 1, 0, 0))) == 1


def test_kill_nine_at_any_moment_loses_nothing_committed(path: Path, clock: SteppedClock) -> None:
    moments = random.Random(5)
    processes = {f"run-{number}": writer(path, f"run-{number}", 0, 100_000) for number in range(5)}
    for run, process in processes.items():
        go(process)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        told = process.communicate(timeout=60)[0].split("\n")[:-1]
        told = ["intent 0", *told]
        with Ledger(path, clock) as ledger:
            check_committed(ledger, run, told)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def check_committed(ledger: Ledger, run: str, told: list[str]) -> None:
    order = ["intent", "submitted", "done"]
    entries = {entry.unit.step: entry for entry in ledger.entries(run)}
    for line in told:
        state, step = line.split()
        entry = entries[int(step)]
        assert order.index(entry.state) >= order.index(state)
        assert not owner_alive(entry.owner)
        if entry.state == "done":
            assert ledger.result(entry)[0].values.shape == (64, 4)
    newest = max(entries)
    assert len(entries) == newest + 1
    journal = ledger.latest_journal(run)
    assert journal is not None
    assert journal == (entries[newest].unit, b"%d" % newest * 9999)


# --- owners ------------------------------------------------------------------------------------


def test_this_process_is_alive() -> None:
    assert owner_alive(this_owner())
    assert this_owner().startswith(f"{socket.gethostname()}:{os.getpid()}:")


def test_a_pid_that_is_used_again_is_another_process() -> None:
    host, pid, started = this_owner().rsplit(":", 2)
    assert not owner_alive(f"{host}:{pid}:{int(started) + 1}")


def test_a_process_that_was_killed_is_not_alive_even_before_it_is_reaped() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from qhw.jobs.ledger.owner import *; print(this_owner()); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert owner_alive(owner)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not owner_alive(owner)
    assert not owner_alive(owner)


def test_a_process_of_another_host_is_taken_to_be_alive() -> None:
    assert owner_alive("another-host:1:1")


def test_without_proc_a_process_is_asked_by_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhw.jobs.ledger.owner.PROC", tmp_path)
    assert this_owner().endswith(f":{os.getpid()}:0")
    assert owner_alive(this_owner())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not owner_alive(f"{socket.gethostname()}:{ended.pid}:0")
