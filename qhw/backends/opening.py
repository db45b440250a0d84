"""From a name to a backend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from policy import ExpectationBackend, RingCircuit
from qhw.backends.names import fake_classes, refuse_unknown
from qhw.errors import UnknownNameError

if TYPE_CHECKING:
    from calibration import DeviceSnapshot


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


def open_snapshot(device: str) -> DeviceSnapshot:
    """Take the snapshot of a device that ships with the vendor's package.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    from calibration import DeviceSnapshot

    classes = fake_classes()
    if device not in classes:
        raise UnknownNameError.nearest("device", device, classes, "qhw devices")
    return DeviceSnapshot.from_backend(classes[device]())
