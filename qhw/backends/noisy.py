"""A circuit on a device's qubits together with what goes wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibration import (
    Assumptions,
    DeviceSnapshot,
    QubitFacts,
    misread,
    noise_model,
    scale_noise,
)
from qhw.backends.transpilation import reduced
from qhw.backends.waiting import with_waits
from qhw.errors import ConfigError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer.noise import NoiseModel


@dataclass(frozen=True)
class NoisyCircuit:
    """What either engine simulates, but for the read-out.

    Attributes:
        circuit: On the active qubits alone; with a delay wherever a qubit waits and decays.
        noise: Of its gates and delays; None where there is none.
        snapshot: The device, its errors scaled; read-out errors as severely as they are taken.
        qubits: Facts of the active qubits, scaled.
        caps: Errors that met their physical limit, for people.
    """

    circuit: QuantumCircuit
    noise: NoiseModel | None
    snapshot: DeviceSnapshot
    qubits: tuple[QubitFacts, ...]
    caps: tuple[str, ...]

    @classmethod
    def of(
        cls,
        circuit: QuantumCircuit,
        snapshot: DeviceSnapshot,
        active: Sequence[int],
        assumptions: Assumptions,
        scale: float = 1.0,
    ) -> NoisyCircuit:
        """Reduce a circuit to its active qubits, and find what acts on them.

        Args:
            circuit: On all the device's qubits, without measurements.
            snapshot: The device.
            active: Physical qubits that the circuit uses.
            assumptions: What the snapshot does not tell.
            scale: Multiplies the device's errors; 0 removes them.

        Raises:
            ConfigError: If one-qubit gates shall turn too far, and the device has neither sx nor x.
        """
        names = {gate.name for gate in snapshot.gates}
        if assumptions.over_rotation and names.isdisjoint(("sx", "x")):
            raise ConfigError(
                f"backend.over_rotation = {assumptions.over_rotation:g} turns sx and x too far; "
                f"{snapshot.name} has neither ({', '.join(sorted(names))}).",
                "Leave it out, or take a device with sx, such as fake_brisbane.",
            )
        severity = assumptions.severity
        scaled = scale_noise(snapshot, scale, active)
        taken = misread(scaled.snapshot, severity.readout)
        small = reduced(circuit, active)
        noise = None
        if scale > 0:
            noise = noise_model(taken, active, assumptions.scaled(scale))
            if assumptions.idle == "alap":
                small = with_waits(small, snapshot, active, severity.waiting)
        qubits = tuple(taken.qubits[qubit] for qubit in active)
        return cls(small, noise, taken, qubits, scaled.caps)
