"""Circuits that have to use gates which their device could not calibrate."""

from __future__ import annotations

from calibration import DeviceSnapshot, uncalibrated
from qhw.backends.transpilation import TranspiledCircuit, operations
from qhw.errors import BackendUnavailableError


def told_uncalibrated(snapshot: DeviceSnapshot, transpiled: TranspiledCircuit) -> str:
    """Which of a circuit's gates are published with an error of 100 %; empty if none is."""
    lost = uncalibrated(snapshot, operations(transpiled.circuit))
    if not lost:
        return ""
    name, qubits = lost[0]
    more = f" and {len(lost) - 1} more of the circuit's gates" if len(lost) > 1 else ""
    return (
        f"{snapshot.name} publishes an error of 100 % for {name} on "
        f"{'-'.join(map(str, qubits))}{more}: not calibrated, and no layout that was tried does "
        "without such gates"
    )


def refuse_uncalibrated(snapshot: DeviceSnapshot, transpiled: TranspiledCircuit) -> None:
    """Refuse to pay for answers that mean nothing.

    Raises:
        BackendUnavailableError: If the circuit uses such a gate.
    """
    told = told_uncalibrated(snapshot, transpiled)
    if told:
        raise BackendUnavailableError(
            f"{told}.",
            "Wait for the device's next calibration, or take another: `qhw devices` ranks them.",
        )
