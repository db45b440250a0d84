"""Runs and random numbers of the tests of questions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qhw.runs.directory import RunDirectory
from tests.qhw.studies.conftest import made_up_run


@pytest.fixture
def seeds(tmp_path: Path) -> tuple[RunDirectory, ...]:
    """Three runs that differ by their seed alone."""
    return tuple(made_up_run(tmp_path / "runs", f"seed{k}", seed=k) for k in (1, 2, 3))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng([len(request.node.name), 3])
