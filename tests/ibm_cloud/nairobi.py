"""`ibm_nairobi` on the local platform, opened for a small circuit, and asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.config import BackendConfig, HardwareConfig
from qhw.devices.backend import DeviceBackend, Position
from qhw.devices.opening import Requester, open_device

CIRCUIT = RingCircuit(3, 1)
OpenNairobi = Callable[..., DeviceBackend]


@pytest.fixture
def open_nairobi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenNairobi]:
    """Open it, as often as wanted: a second time is a second process's view."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    opened: list[DeviceBackend] = []

    def opening(requester: Requester, mitigation: str, **hardware: object) -> DeviceBackend:
        section = {"name": "ibm_nairobi", "shots": 64, "mitigation": mitigation}
        backend = open_device(
            BackendConfig.model_validate(section),
            HardwareConfig.model_validate({"max_jobs": 50, **hardware}),
            CIRCUIT,
            requester,
        )
        opened.append(backend)
        return backend

    yield opening
    for backend in opened:
        backend.work.ledger.close()


def ask_at(
    backend: DeviceBackend, step: int, journal: bytes, rows: int = 2, turn: float = 0.0
) -> FloatArray:
    """Evaluate at a step of the phase `images`; the same step asks the same."""
    rng = np.random.default_rng(step)
    angles = rng.uniform(-1, 1, (rows, CIRCUIT.num_angles)) + turn
    weights = rng.uniform(-3, 3, (1, CIRCUIT.num_weights))
    backend.stand_at(Position("images", 0, step), journal)
    return backend.evaluate(angles, weights).values
