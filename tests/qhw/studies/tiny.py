"""Studies of circuits, small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from qhw.runs.directory import RunDirectory
from qhw.studies.catalogue import find_study
from qhw.studies.measured import gradients as gradient_measurements
from qhw.studies.measured import noisy, visited
from qhw.studies.questions import by_shots, gradients, plateaus
from qhw.studies.study import Scope
from tests.qhw.studies.conftest import Train

DEVICE, OTHER = "fake_nairobi", "fake_jakarta"
SHOTS = (64, 1024, 16_384, None)
SIZES = (
    (visited, "QUICK_LATENTS", 24),
    (noisy, "CZ_DEVICE", OTHER),
    (noisy, "QUICK_REPEATS", 4),
    (noisy, "SHOTS", SHOTS),
    (by_shots, "SHOTS", SHOTS),
    (gradients, "SHOTS", SHOTS),
    (gradient_measurements, "SHOTS", SHOTS),
    (gradient_measurements, "QUICK_DEPTHS", (1, 3)),
    (gradient_measurements, "QUICK_DRAWS", 6),
    (plateaus, "QUICK_QUBITS", (2, 3, 4, 5)),
    (plateaus, "DEPTHS", (1, 2, 3)),
    (plateaus, "QUBITS_OF_DEPTHS", 3),
    (plateaus, "DEPTHS_OF_QUBITS", (2,)),
    (plateaus, "QUICK_DRAWS", 200),
)
Acquired = Callable[[str, int], Scope]


@cache
def _acquired(root: Path, name: str, runs: tuple[RunDirectory, ...]) -> Scope:
    scope = Scope(runs, root / f"report-{len(runs)}", full=False, device=DEVICE)
    find_study(name).acquire(scope)
    return scope


@pytest.fixture(autouse=True)
def small_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in SIZES:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def acquired(
    tmp_path_factory: pytest.TempPathFactory, trained_tiny: Train, small_studies: None
) -> Acquired:
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
        monkeypatch.setattr("qhw.studies.study.write_arrays", refuse)

    return close
