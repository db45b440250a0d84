"""Killed at any point between intent and kept result: nothing is paid for twice, nothing is lost.

The platform's own count is asked: how often it executed each unit of work, and what it billed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.jobs.ledger import Ledger
from qhw.jobs.request import Unit
from tests.ibm_cloud.cloud import TOKEN
from tests.ibm_cloud.fixtures import remote_cloud
from tests.ibm_cloud.remote import RemoteCloud
from tests.ibm_cloud.steered import POINTS, STEPS

__all__ = ["remote_cloud"]

QUICK = {("after the POST", 1)}
"""The one that a careless tool gets wrong; the others are as important, and slow together."""
CASES = [
    pytest.param(
        point,
        occurrence,
        marks=[] if (point, occurrence) in QUICK else [pytest.mark.slow],
        id=f"{point}, {occurrence}",
    )
    for point in POINTS
    for occurrence in (1, 2)
]


def steered(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "PYTHONPATH": str(root())}
    return subprocess.run(
        [sys.executable, "-m", "tests.ibm_cloud.steered", str(folder / "run.npy"), *more],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def root() -> Path:
    return Path(__file__).resolve().parents[2]


def executed(summary: dict[str, Any]) -> dict[str, int]:
    """How often the platform executed the work of each unit."""
    units = [Unit("run", "images", 0, step, 0) for step in range(STEPS)]
    return {unit.key: summary["paid"].get(unit.tag, 0) for unit in units}


@pytest.mark.parametrize(("point", "occurrence"), CASES)
def test_nothing_is_paid_twice_or_lost(
    point: str, occurrence: int, remote_cloud: RemoteCloud, tmp_path: Path
) -> None:
    killed = steered(tmp_path, point, str(occurrence))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = steered(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    summary = remote_cloud.summary()
    assert set(executed(summary).values()) == {1}, (point, executed(summary))
    assert len(summary["jobs"]) == STEPS
    values = np.load(tmp_path / "run.npy")
    assert values.shape[0] == STEPS
    with Ledger(tmp_path / "qhw" / "ledger.sqlite", FixedClock()) as ledger:
        assert ledger.spent("run").qpu_seconds == pytest.approx(summary["billed_seconds"])
        kept = [entry for entry in ledger.entries(run="run") if entry.state == "done"]
        stored = [ledger.result(entry)[0].values for entry in kept]
    assert np.array_equal(values[:, 0], np.stack(stored))
    replayed = steered(tmp_path)
    assert replayed.returncode == 0
    assert np.array_equal(np.load(tmp_path / "run.npy"), values)
    assert len(remote_cloud.summary()["jobs"]) == STEPS
    no_secret(tmp_path, killed.stderr + resumed.stdout + resumed.stderr)


def no_secret(folder: Path, output: str) -> None:
    assert TOKEN not in output
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "cloud":
            assert TOKEN.encode() not in path.read_bytes(), path


class FixedClock:
    def now(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")
