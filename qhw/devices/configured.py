"""From settings to a backend, be it simulated or a device."""

from __future__ import annotations

from policy import Ansatz
from qhw.backends.backend import Backend
from qhw.backends.opening import open_backend
from qhw.config import BackendConfig, HardwareConfig
from qhw.devices.opening import Requester, open_device


def open_configured(
    backend: BackendConfig,
    hardware: HardwareConfig,
    circuit: Ansatz,
    *,
    seed: int,
    requester: Requester | None = None,
) -> Backend:
    """Open a backend for one circuit.

    Args:
        backend: Its name, and what it is given.
        hardware: How a device is used; simulators take nothing of it.
        circuit: The ansatz.
        seed: Of a simulator's shots.
        requester: Who asks a device for paid work; a fresh identity by default.

    Raises:
        QhwError: As `open_backend` and `open_device`.
    """
    if backend.takes_jobs:
        return open_device(backend, hardware, circuit, requester or Requester())
    return open_backend(
        backend.name,
        circuit,
        device=backend.device,
        shots=backend.shots,
        noise_scale=backend.noise_scale,
        seed=seed,
        engine=backend.engine,
        mitigation=backend.mitigation or "none",
    )
