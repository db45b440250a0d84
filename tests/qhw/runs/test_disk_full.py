"""A disk that refuses, for real: the process may not write files beyond a size."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from qhw.config import parse_config
from qhw.errors import CheckpointError
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
