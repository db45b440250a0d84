from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from qhw.errors import InstallationError, UnknownNameError
from qhw.training.tracking import TRACKERS, open_tracker, refuse_missing

NUMBERS = {1: {"mean_return": -0.5}, 2: {"mean_return": -0.25}}
WRITING_SECONDS = 30.0


def track(name: str, folder: Path) -> None:
    folder.mkdir()
    tracker = open_tracker(name, folder, {"seed": 3})
    for update, numbers in NUMBERS.items():
        tracker.log(update, numbers)
    tracker.close()


def test_tensorboard_gets_every_number(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track("tensorboard", tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "events"))
    events.Reload()
    seen = {event.step: event.value for event in events.Scalars("mean_return")}
    assert seen == {1: -0.5, 2: -0.25}


def test_weights_and_biases_gets_every_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    track("wandb", tmp_path / "run")
    (written,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    # Its own process writes the file, and may still be at it when the run has finished.
    last = time.monotonic() + WRITING_SECONDS
    while b"-0.25" not in written.read_bytes() and time.monotonic() < last:
        time.sleep(0.1)
    content = written.read_bytes()
    assert b"mean_return" in content and b"-0.25" in content


def test_trackio_gets_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read when it is imported
    pytest.importorskip("trackio", reason="an extra that brings a web server along")
    track("trackio", tmp_path / "run")
    with closing(sqlite3.connect(tmp_path / "qhw.db")) as database:
        rows = database.execute("select step, metrics from metrics order by step").fetchall()
    seen = {step: json.loads(metrics)["mean_return"] for step, metrics in rows}
    assert seen == {1: -0.5, 2: -0.25}


def test_a_tracker_that_is_none_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'wndb'") as caught:
        refuse_missing("wndb")
    assert "Did you mean wandb?" in caught.value.hint


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_not_installed_says_what_to_type(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhw.packages.installed_version", lambda _: None)
    with pytest.raises(InstallationError, match=f"--track {name}") as caught:
        refuse_missing(name)
    assert f"pip install 'qhw[{name}]'" in caught.value.hint
