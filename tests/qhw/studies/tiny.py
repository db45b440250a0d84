"""Studies of circuits, small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from qhw.runs.directory import RunDirectory
from qhw.studies.catalogue import STUDIES
from qhw.studies.sizes import Sizes
from qhw.studies.study import Scope
from tests.qhw.studies.conftest import Train

DEVICE, OTHER = "fake_nairobi", "fake_jakarta"
SHOTS = (64, 1024, 16_384, None)
TINY_SIZES = Sizes(
    states=24,
    repeats=4,
    shots=SHOTS,
    other_devices=(OTHER, "fake_brisbane"),
    gradient_depths=(1, 3),
    gradient_qubits=(2, 3),
    gradient_draws=6,
    plateau_qubits=(2, 3, 4, 5),
    plateau_depths=(1, 2, 3),
    plateau_width=3,
    plateau_layers=(2,),
    plateau_draws=200,
)
Acquired = Callable[[str, int], Scope]


@cache
def _acquired(root: Path, name: str, runs: tuple[RunDirectory, ...]) -> Scope:
    scope = Scope(runs, root / f"report-{len(runs)}", DEVICE, TINY_SIZES)
    [study] = [entry.load() for entry in STUDIES if entry.name == name]
    study.acquire(scope)
    return scope


@pytest.fixture
def acquired(tmp_path_factory: pytest.TempPathFactory, trained_tiny: Train) -> Acquired:
    """A report in which a study was acquired for this many training seeds; made once."""

    def acquire(name: str, seeds: int) -> Scope:
        runs = tuple(trained_tiny(f"seed{k}", seed=k) for k in range(1, seeds + 1))
        return _acquired(tmp_path_factory.getbasetemp(), name, runs)

    return acquire


@pytest.fixture
def nothing_opens(acquired: Acquired, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, opening a backend or a model and writing numbers fail."""

    def close() -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise AssertionError("something was opened or measured")

        monkeypatch.setattr("qhw.backends.opening.open_backend", refuse)
        monkeypatch.setattr("qhw.training.player.Player.__init__", refuse)
        monkeypatch.setattr("qhw.studies.store.write_arrays", refuse)

    return close
