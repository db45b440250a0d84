"""A device's backend: which unit of work an evaluation is, and how often anything is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit

from policy import RingCircuit
from qhw.backends.circuit_file import circuit_digest
from qhw.config import BackendConfig, HardwareConfig
from qhw.devices.backend import DeviceBackend, Position, Standing
from qhw.devices.opening import Requester, open_device
from qhw.errors import ConfigError
from qhw.files import Cache

CIRCUIT = RingCircuit(3, 1)
BACKEND = BackendConfig.model_validate({"name": "fake_nairobi", "shots": 64, "mitigation": "none"})


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceBackend]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    opened = open_device(
        BACKEND,
        HardwareConfig(max_jobs=50),
        CIRCUIT,
        Requester(run_id="run", folder=tmp_path / "run"),
        Cache(tmp_path / "cache"),
    )
    opened.prepare()
    yield opened
    opened.close()


def open_files() -> list[Path]:
    """What this process has open."""
    return [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


def ask(backend: DeviceBackend, step: int) -> None:
    rng = np.random.default_rng(step)
    angles = rng.uniform(-1, 1, (2, CIRCUIT.num_angles))
    weights = rng.uniform(-3, 3, (1, CIRCUIT.num_weights))
    backend.stand_at(Position("images", 0, step), b"journal")
    backend.evaluate(angles, weights)


def test_evaluations_at_one_position_are_its_parts() -> None:
    at = Standing(position=Position("gradient", 3, 1), journal=b"")
    keys = [at.take_unit("run").key for _ in range(3)]
    assert keys == [f"run/gradient/3/1/{part}" for part in range(3)]


def test_without_a_position_every_evaluation_is_a_step() -> None:
    at = Standing()
    keys = [at.take_unit("run").key for _ in range(3)]
    assert keys == [f"run/evaluation/0/{step}/0" for step in range(3)]


def test_an_untold_calibration_leaves_the_last_one() -> None:
    at = Standing()
    at.ran_under("first")
    at.ran_under("")
    assert at.calibration == "first"


def test_a_unit_is_looked_up_twice_when_it_is_sent_and_once_when_it_is_recalled(
    backend: DeviceBackend,
) -> None:
    """Once to decide, once in the transaction that claims it; another process may come between."""
    ask(backend, 0)
    statements: list[str] = []
    backend.work.ledger._file._connection.set_trace_callback(statements.append)
    ask(backend, 1)
    sent = [" ".join(statement.split()) for statement in statements]
    assert sum(line.startswith("SELECT * FROM entries WHERE run =") for line in sent) == 2
    assert len(sent) == 24
    assert sent.count("COMMIT") == 3, "the intent, the job's id, the result"
    statements.clear()
    ask(backend, 1)
    assert len(statements) == 2, "the attempt, its result"


def test_the_circuit_is_hashed_once_by_us_and_once_by_the_device(
    backend: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(backend, 0)
    hashed: list[QuantumCircuit] = []

    def counted(circuit: QuantumCircuit) -> str:
        hashed.append(circuit)
        return circuit_digest(circuit)

    monkeypatch.setattr("qhw.jobs.request.circuit_digest", counted)
    ask(backend, 1)
    assert len(hashed) == 2
    assert hashed[0] is backend.transpiled.circuit
    hashed.clear()
    ask(backend, 1)
    assert hashed == [backend.transpiled.circuit]


@pytest.mark.parametrize("mode", ["batch", "session"])
def test_a_device_that_runs_here_groups_no_jobs(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    hardware = HardwareConfig.model_validate({"mode": mode})
    with pytest.raises(ConfigError, match="nothing is gained by grouping jobs"):
        open_device(BACKEND, hardware, CIRCUIT, Requester(), Cache(tmp_path / "cache"))
    assert not [path for path in open_files() if path.name.startswith("ledger")]
