"""The ledger's two commits of each step, on this machine's disk.

    python -m benchmarks.ledger

Intent: a new attempt with a journal of 400 kB, before the submission. Result: 64 rows, 4 wide, with
standard errors and the calibration's digest. Each is on the disk (fsync) when it returns. Beside
them a bare SQLite commit of one small row under the same settings: what the disk itself takes.
Wall time, as a commit mostly waits; the peers take turns.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import significant, write_result
from qhw.jobs.clock import SystemClock
from qhw.jobs.ledger import Intent, Ledger
from qhw.jobs.request import Unit
from qhw.jobs.runner import JobReport, PubValues

ROUNDS = 500
ROWS, WIDTH = 64, 4
JOURNAL_BYTES = 400_000
CALIBRATION = "x" * 200_000
INTENT = Intent("d" * 32, "ibm_fez", "", ((ROWS, WIDTH),), 1024, 25.0)


def bare_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE rows (number INTEGER)")
    return database


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def step(ledger: Ledger, number: int, generator: np.random.Generator) -> tuple[float, float]:
    """Intent and result of one step, seconds."""
    unit = Unit("run", "rollout", 1, number, 0)
    journal = generator.bytes(JOURNAL_BYTES)
    values = PubValues(generator.normal(size=(ROWS, WIDTH)), np.full((ROWS, WIDTH), 0.03))
    intent = seconds(lambda: ledger.intend(unit, INTENT, journal))
    entry = ledger.latest(unit)
    assert entry is not None
    ledger.submitted(entry.id, f"job-{number}")
    report = JobReport(f"job-{number}", "done", usage_seconds=24.0)
    return intent, seconds(lambda: ledger.done(entry.id, [values], report, CALIBRATION))


def measure(folder: Path) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"intent": [], "result": [], "bare": []}
    generator = np.random.default_rng(0)
    database = bare_database(folder / "bare.sqlite")
    with Ledger(folder / "ledger.sqlite", SystemClock()) as ledger:
        for number in range(ROUNDS + 1):
            intent, result = step(ledger, number, generator)
            bare = seconds(lambda: database.execute("INSERT INTO rows VALUES (1)"))
            if number:
                for name, value in zip(times, (intent, result, bare), strict=True):
                    times[name].append(value)
    database.close()
    return times


def summary(times: list[float], bare: float) -> dict[str, float]:
    return {
        "median, ms": significant(1e3 * statistics.median(times)),
        "p99, ms": significant(1e3 * float(np.quantile(times, 0.99))),
        "times a bare commit": significant(statistics.median(times) / bare),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder))
    bare = statistics.median(times["bare"])
    sizes = {"rounds": ROUNDS, "rows": ROWS, "width": WIDTH, "journal, bytes": JOURNAL_BYTES}
    write_result(
        __file__,
        {**sizes, **{name: summary(values, bare) for name, values in times.items()}},
    )


if __name__ == "__main__":
    main()
