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


@pytest.mark.slow  # three trainings in processes of their own
def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    started = [*OPTIONS, "--updates", "4", "--seed", "7"]
    assert train(tmp_path, *started, "--name", "whole").wait(300) == 0
    process = train(tmp_path, *started, "--name", "killed")
    killed = tmp_path / "runs" / "killed"
    wait_for(killed / "checkpoints" / "00002")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert train(tmp_path, "--resume", str(killed)).wait(300) == 0
    whole = tmp_path / "runs" / "whole"
    assert metrics(killed) == metrics(whole)
    rows = [json.loads((run / "evaluation.json").read_text())["rows"] for run in (killed, whole)]
    assert rows[0] == rows[1]
