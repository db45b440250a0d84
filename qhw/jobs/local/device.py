"""What a device would measure, simulated: any circuit in its own gates, run as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from calibration import ASSUMED, DeviceSnapshot, confusion_matrices
from policy.backend import FloatArray
from qhw.backends.aer import (
    MAX_QUBITS_NOISY,
    bound_probabilities,
    density_simulator,
    read_out,
    refuse_above,
    sample,
    saving_probabilities,
    sign_matrix,
)
from qhw.backends.compiled import CompiledCircuit, CompileError
from qhw.backends.compiled.checking import refuse_difference
from qhw.backends.noisy import NoisyCircuit
from qhw.errors import HardwareError
from qhw.jobs.request import Pub

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

ROWS_AT_ONCE = 1000
"""Circuits per call of Aer: 16,000 at once would take a gigabyte."""
KEPT_CIRCUITS = 16
"""Prepared circuits that are held on to."""
CHECKED_ROWS = 2
"""Of a circuit, which Aer computes as well."""
UNCALIBRATED = {"barrier"}
"""Instructions that a device takes without having calibrated them."""

Operation = tuple[str, tuple[int, ...]]


class SimulatedDevice:
    """A snapshot that runs circuits: exact distributions on the qubits in use, then sampled.

    Qubits that wait decay, as on the device.

    Args:
        snapshot: Its gates, noise and read-out errors.
    """

    def __init__(self, snapshot: DeviceSnapshot) -> None:
        self.snapshot = snapshot
        self._gates = {(gate.name, gate.qubits) for gate in snapshot.gates}
        self._prepared: dict[tuple[str, tuple[int, ...]], _Prepared] = {}

    def refuse_foreign(self, pub: Pub) -> None:
        """Refuse what the device could not run, or this machine not simulate.

        Raises:
            HardwareError: If the device has not got a gate or a qubit of the circuit.
            ConfigError: If the circuit uses too many qubits.
        """
        name, size = self.snapshot.name, self.snapshot.num_qubits
        if pub.circuit.num_qubits != size or not set(pub.outputs) <= set(range(size)):
            raise HardwareError(
                f"{name} has {size} qubits; the circuit has {pub.circuit.num_qubits} and reads "
                f"{pub.outputs}.",
                "Lay it out for this device.",
            )
        for operation in _operations(pub.circuit):
            if operation not in self._gates and operation[0] not in UNCALIBRATED:
                raise HardwareError(
                    f"{name} has no gate {operation[0]!r} on qubits {operation[1]}.",
                    "Lay the circuit out for this device.",
                )
        active = len(_active(pub))
        refuse_above(active, MAX_QUBITS_NOISY, 16 * 4**active)

    def measure(self, pub: Pub, shots: int, generator: np.random.Generator) -> FloatArray:
        """Estimates of <Z_i>, (rows, n), each from `shots` bit strings.

        Raises:
            RuntimeError: With Aer's own words, if it fails.
        """
        signs = sign_matrix(len(pub.outputs))
        read = self._probabilities(pub)
        return np.concatenate([sample(block, shots, generator) @ signs for block in read])

    def _probabilities(self, pub: Pub) -> Iterator[FloatArray]:
        """Probabilities (<= ROWS_AT_ONCE, 2^n) of what is read, block by block."""
        prepared = self._prepare(pub)
        for start in range(0, pub.rows, ROWS_AT_ONCE):
            yield prepared.probabilities(pub.parameters[start : start + ROWS_AT_ONCE])

    def _prepare(self, pub: Pub) -> _Prepared:
        key = (pub.circuit_digest, pub.outputs)
        if key not in self._prepared:
            if len(self._prepared) == KEPT_CIRCUITS:
                self._prepared.clear()
            self._prepared[key] = _prepared(pub, self.snapshot)
        return self._prepared[key]


class _Prepared(Protocol):
    """A circuit that is ready to be run."""

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """Exact distribution (rows, 2^n) of what is read, for parameters (rows, P) in rad."""


@dataclass(frozen=True)
class _InAer:
    """A circuit ready for Aer, and its read-out."""

    simulator: AerSimulator
    circuit: QuantumCircuit
    confusion: FloatArray

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """See `_Prepared`."""
        return read_out(bound_probabilities(self.simulator, self.circuit, rows), self.confusion)


def _prepared(pub: Pub, snapshot: DeviceSnapshot) -> _Prepared:
    """The circuit compiled and checked on a few of its rows; by Aer alone where it cannot be.

    Raises:
        EngineMismatchError: If the compiled engine does not give Aer's numbers.
    """
    active = _active(pub)
    noisy = NoisyCircuit.of(pub.circuit, snapshot, active, ASSUMED)
    outputs = [active.index(qubit) for qubit in pub.outputs]
    confusion = confusion_matrices(snapshot, pub.outputs)
    aer = _InAer(
        density_simulator(noisy.noise), saving_probabilities(noisy.circuit, outputs), confusion
    )
    try:
        compiled = CompiledCircuit(noisy, outputs, confusion)
    except CompileError:
        return aer
    rows = pub.parameters[:CHECKED_ROWS]
    refuse_difference("a probability", compiled.probabilities(rows), aer.probabilities(rows))
    return compiled


def _operations(circuit: QuantumCircuit) -> Iterator[Operation]:
    for item in circuit.data:
        yield item.operation.name, tuple(circuit.find_bit(qubit).index for qubit in item.qubits)


def _active(pub: Pub) -> tuple[int, ...]:
    """Physical qubits that carry gates or are read, rising."""
    used = {
        qubit
        for name, qubits in _operations(pub.circuit)
        if name not in UNCALIBRATED
        for qubit in qubits
    }
    return tuple(sorted(used | set(pub.outputs)))
