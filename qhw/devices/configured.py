"""From settings to a backend, be it simulated or a device."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from typing import Any

from calibration import Assumptions
from policy import Ansatz, ExpectationBackend
from qhw.backends.backend import Backend
from qhw.backends.opening import open_backend
from qhw.config import BackendConfig, HardwareConfig, RunConfig, parse_config
from qhw.devices.backend import DeviceBackend
from qhw.devices.opening import Requester, open_device
from qhw.errors import ConfigError
from qhw.files import UserData, make_folder, make_private
from qhw.known import DeviceName


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
        assumptions=Assumptions(
            backend.idle, backend.zz_angle, backend.over_rotation, backend.twirl
        ),
        seed=seed,
        engine=backend.engine,
        mitigation=backend.mitigation or "none",
    )


def open_named(
    circuit: Ansatz,
    backend: str | ExpectationBackend,
    *,
    name: str | None = None,
    seed: int = 0,
    settings: dict[str, Any],
) -> ExpectationBackend:
    """Open a backend by its name and bare settings, for a program that has no run.

    Args:
        circuit: The ansatz.
        backend: `aer`, `aer_noisy`, `fake_*` or `ibm_*`; or one of the caller's own, which is
            returned.
        name: Identity in the ledger; a fresh one by default.
        seed: Of a simulator's shots.
        settings: Of the tables `backend` and `hardware`, by their bare names.

    Raises:
        ConfigError: If a setting is unknown or does not fit, a paid device is given no name, or a
            backend of one's own is for another circuit.
        QhwError: As `open_configured`.
    """
    if not isinstance(backend, str):
        return _own(circuit, backend, settings if name is None else {"name": name, **settings})
    if DeviceName(backend).live and name is None:
        raise ConfigError(
            f"{backend!r} spends QPU time, and what asks for it has no name.",
            'Give it one, name="my-experiment": under it, what was paid for is found again.',
        )
    config = _parsed({"name": backend, **settings})
    requester = Requester() if name is None else _named(name)
    return open_configured(config.backend, config.hardware, circuit, seed=seed, requester=requester)


def _named(name: str) -> Requester:
    """Who asks in a name of their own; the circuit it began with is kept under that name."""
    folder = UserData.of_user().named / hashlib.sha256(name.encode()).hexdigest()[:16]
    make_private(folder.parent)
    make_folder(folder)
    return Requester(run_id=name, folder=folder)


def close_backend(backend: ExpectationBackend | None) -> None:
    """End a device's session or batch, and close the ledger; a simulator has neither."""
    if isinstance(backend, DeviceBackend):
        backend.close()


def _parsed(settings: dict[str, Any]) -> RunConfig:
    """Settings by their bare names, put into their tables."""
    tables: dict[str, dict[str, Any]] = {"backend": {}, "hardware": {}}
    of = {
        **dict.fromkeys(HardwareConfig.model_fields, "hardware"),
        **dict.fromkeys(BackendConfig.model_fields, "backend"),
    }
    for setting, value in settings.items():
        if setting not in of:
            near = ", ".join(get_close_matches(setting, of)) or ", ".join(of)
            raise ConfigError(
                f"{setting}={value!r}: there is no such setting of a backend.",
                f"Did you mean {near}?",
            )
        tables[of[setting]][setting] = value
    return parse_config({table: values for table, values in tables.items() if values})


def _own(
    circuit: Ansatz, backend: ExpectationBackend, settings: dict[str, Any]
) -> ExpectationBackend:
    if settings:
        raise ConfigError(
            f"{', '.join(settings)} was given with a backend of your own.",
            "Settings are for backends that are opened by name: leave them out.",
        )
    if backend.circuit != circuit:
        raise ConfigError(
            f"The backend was made for {backend.circuit}, it is to run {circuit}.",
            "Open it for that circuit.",
        )
    return backend
