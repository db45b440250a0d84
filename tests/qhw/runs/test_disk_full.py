"""A disk that refuses, for real, and files that were cut: no file may grow beyond a size."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from qhw.config import parse_config
from qhw.errors import CheckpointError, DamagedFileError, OutputError
from qhw.evaluation.plots import picture_grid
from qhw.runs.checkpoint import Checkpoint
from qhw.runs.directory import create_run


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    run = create_run(tmp_path, parse_config({}), "a")
    good = torch.arange(5000, dtype=torch.float64)
    run.save_checkpoint(Checkpoint(1, {"w": good}, {}))
    with largest_file(10_000), pytest.raises(CheckpointError, match="could not be saved") as caught:
        run.save_checkpoint(Checkpoint(2, {"w": good + 1}, {}))
    assert "--resume" in caught.value.hint
    assert torch.equal(run.latest_checkpoint().tensors["w"], good)
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["00001"]


def test_a_full_disk_loses_no_picture_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "pictures.png"
    pictures = {"policy": torch.rand(1, 1, 16, 16)}
    picture_grid(path, pictures, ["bag"])
    before = path.read_bytes()
    with largest_file(1000), pytest.raises(OutputError, match=r"pictures\.png cannot be written"):
        picture_grid(path, pictures, ["coat"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_by_metrics(tmp_path: Path) -> None:
    run = create_run(tmp_path, parse_config({}), "a")
    with largest_file(100), pytest.raises(OutputError, match=r"metrics\.jsonl cannot be written"):
        run.append_metrics({"advice": "x" * 200})


def test_metrics_and_checkpoints_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    run = create_run(tmp_path, parse_config({}), "a")
    run.save_checkpoint(Checkpoint(1, {"w": torch.zeros(1)}, {}))
    (run.path / "metrics.jsonl").write_text('{"update": 1\n{"update": 2}\n')
    with pytest.raises(DamagedFileError, match=r"metrics\.jsonl cannot be read"):
        run.metrics()
    for damage in ("", "[]", "{}"):
        (run.path / "checkpoints" / "00001" / "state.json").write_text(damage)
        with pytest.raises(CheckpointError, match="is damaged") as caught:
            run.latest_checkpoint()
        assert "rm -r" in caught.value.hint
