"""A training that is killed at any moment ends as if it had not been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

OPTIONS = ["--backend", "aer", "--gradient", "shift", "--environments", "4", "--latents", "20"]


def train(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "qhw", "train", *more]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)


def metrics(run: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("seconds")
        for cost in record["cost"].values():
            cost.pop("seconds")
    return records


def wait_for(path: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def kill_soon_after(process: subprocess.Popen[bytes], path: Path, seconds: float) -> None:
    """Kill at a moment that no one chose: in a rollout, an update, or while something is saved."""
    wait_for(path)
    time.sleep(seconds)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow  # five trainings in processes of their own
def test_a_training_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    started = [*OPTIONS, "--updates", "6", "--seed", "7"]
    assert train(tmp_path, *started, "--name", "whole").wait(300) == 0
    killed = tmp_path / "runs" / "killed"
    process = train(tmp_path, *started, "--name", "killed")
    for update, seconds in ((0, 0.02), (2, 0.1), (4, 0.0)):
        kill_soon_after(process, killed / "checkpoints" / f"{update:05d}", seconds)
        process = train(tmp_path, "--resume", str(killed))
    assert process.wait(300) == 0
    whole = tmp_path / "runs" / "whole"
    assert metrics(killed) == metrics(whole)
    rows = [json.loads((run / "evaluation.json").read_text())["rows"] for run in (killed, whole)]
    assert rows[0] == rows[1]
