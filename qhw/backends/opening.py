"""From a name to a backend."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from policy import ExpectationBackend, RingCircuit
from qhw.errors import BackendUnavailableError, UnknownNameError

if TYPE_CHECKING:
    from calibration import DeviceSnapshot

BACKEND_NAMES = ("aer", "aer_noisy")
RETIRED_DEVICES = ("brisbane", "sherbrooke", "kyiv", "kyoto", "osaka", "nazca", "cusco", "quebec")
LIVE_DEVICES = ("ibm_fez", "ibm_marrakesh", "ibm_kingston", "ibm_boston", "ibm_pittsburgh")
CREDENTIALS = (
    "Credentials are read from QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE, or from the account file "
    "that QiskitRuntimeService.save_account writes."
)


class Backend(ExpectationBackend, Protocol):
    """A backend as the toolkit uses it: one that can say what it is and be resumed."""

    def describe(self) -> dict[str, str | int | float]:
        """What the numbers come from, for provenance."""

    def random_state(self) -> dict[str, Any]:
        """Where its random generator stands, as plain JSON."""

    def restore_random_state(self, state: dict[str, Any]) -> None:
        """Put its random generator back."""


def open_backend(
    name: str,
    circuit: RingCircuit,
    *,
    device: str = "fake_brisbane",
    shots: int | None = None,
    noise_scale: float = 1.0,
    seed: int = 0,
    cache_dir: Path | None = None,
) -> Backend:
    """Open a backend for one circuit.

    Args:
        name: `aer` (noiseless) or `aer_noisy` (a device's noise).
        circuit: The ansatz.
        device: Snapshot whose noise `aer_noisy` takes.
        shots: Bit strings per circuit; None for exact values.
        noise_scale: Multiplies the device's errors.
        seed: Of the bit strings.
        cache_dir: Of transpiled circuits; the user's cache folder by default.

    Raises:
        UnknownNameError: If there is no such backend or device.
        BackendUnavailableError: If it exists but cannot be opened here.
        ConfigError: If the circuit is too large to simulate.
    """
    from qhw.backends import aer
    from qhw.backends.transpilation import TranspileOptions, default_cache_folder, transpile_for

    refuse_unknown(name)
    if name == "aer":
        return aer.AerBackend(circuit, shots, seed)
    aer.refuse_above(circuit.num_qubits, aer.MAX_QUBITS_NOISY, 16 * 4**circuit.num_qubits)
    snapshot = open_snapshot(device)
    transpiled = transpile_for(
        circuit, snapshot, TranspileOptions(), cache_dir or default_cache_folder()
    )
    return aer.NoisyAerBackend(
        circuit, snapshot, transpiled, noise_scale=noise_scale, shots=shots, seed=seed
    )


def refuse_unknown(name: str) -> None:
    """Say why a backend cannot be opened here, before anything heavy is done.

    Raises:
        UnknownNameError: If there is no such backend.
        BackendUnavailableError: If it exists but cannot be opened here.
    """
    if name in BACKEND_NAMES:
        return
    if name.startswith("ibm_"):
        raise _ibm_unavailable(name)
    if name in fake_device_names():
        raise BackendUnavailableError(
            f"The job path for {name!r} is not built yet.",
            f"Take the same noise by `--backend aer_noisy --device {name}`.",
        )
    raise UnknownNameError.nearest(
        "backend", name, [*BACKEND_NAMES, *fake_device_names(), *LIVE_DEVICES], "qhw devices"
    )


def open_snapshot(device: str) -> DeviceSnapshot:
    """Take the snapshot of a device that ships with the vendor's package.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    from calibration import DeviceSnapshot

    classes = _fake_classes()
    if device not in classes:
        raise UnknownNameError.nearest("device", device, classes, "qhw devices")
    return DeviceSnapshot.from_backend(classes[device]())


def fake_device_names() -> list[str]:
    """Names of all snapshots that need no account."""
    return sorted(_fake_classes())


@lru_cache(maxsize=1)
def _fake_classes() -> dict[str, Any]:
    """Snapshot classes by device name; none is instantiated."""
    from qiskit_ibm_runtime.fake_provider import backends

    found = {}
    for module_info in pkgutil.iter_modules(backends.__path__):
        package = importlib.import_module(f"{backends.__name__}.{module_info.name}")
        for _, value in inspect.getmembers(package, inspect.isclass):
            name = getattr(value, "backend_name", None)
            if isinstance(name, str) and value.__module__.startswith(package.__name__):
                found[name] = value
    return found


def _ibm_unavailable(name: str) -> BackendUnavailableError:
    short = name.removeprefix("ibm_")
    if short in RETIRED_DEVICES:
        return BackendUnavailableError(
            f"The device {name!r} is retired.",
            f"Take its last noise by `--backend aer_noisy --device fake_{short}`, or a live device "
            f"({', '.join(LIVE_DEVICES)}; needs an account). {CREDENTIALS}",
        )
    return BackendUnavailableError(
        f"The device {name!r} cannot be used yet: the hardware path is not built.",
        f"Take a simulator: `--backend aer_noisy`. {CREDENTIALS}",
    )
