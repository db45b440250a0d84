"""Expectation values from Qiskit Aer: exact state vectors, and a device's noise.

One circuit is prepared once; angles are bound by Aer in one call per evaluation; one
`save_probabilities` gives every <Z_i>. The circuit and the noise are reduced to the qubits in use.
Aer's save instructions ignore read-out error, so it is folded into the probabilities here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration import ASSUMED, Assumptions, DeviceSnapshot, confusion_matrices
from policy import Ansatz, Cost, Estimate
from policy.backend import FloatArray, checked_shapes
from qhw.backends.facts import BackendFacts
from qhw.backends.noisy import NoisyCircuit
from qhw.backends.transpilation import TranspiledCircuit, parameter_columns
from qhw.errors import ConfigError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

MAX_QUBITS_EXACT = 12
MAX_QUBITS_NOISY = 8


class Sampler:
    """Draws bit strings, as many for every circuit, and can be resumed where it stood.

    Args:
        shots: Bit strings drawn per circuit; None for exact values.
        seed: Seed of the bit strings.

    Raises:
        ConfigError: If there is less than one shot.
    """

    def __init__(self, shots: int | None, seed: int) -> None:
        if shots is not None and shots < 1:
            raise ConfigError(f"shots = {shots}: must be at least 1.", "Leave it out for exact.")
        self.shots = shots
        self._generator = np.random.default_rng(seed)

    def random_state(self) -> dict[str, Any]:
        """Where the sampling generator stands, as plain JSON."""
        return dict(self._generator.bit_generator.state)

    def restore_random_state(self, state: dict[str, Any]) -> None:
        """Put the sampling generator back where `random_state` was taken."""
        self._generator.bit_generator.state = state


class _AerBackend(Sampler):
    """What both backends share: binding, probabilities, sampling.

    Each sets its simulator, its circuit with a `save_probabilities`, and its read-out's confusion.

    Args:
        circuit: The ansatz.
        shots: Bit strings drawn per circuit; None for exact values.
        seed: Seed of the bit strings.
    """

    name: str
    warning: str = ""
    _simulator: AerSimulator
    _prepared: QuantumCircuit
    _confusion: FloatArray | None = None

    def __init__(self, circuit: Ansatz, shots: int | None, seed: int) -> None:
        super().__init__(shots, seed)
        self.circuit = circuit
        self._signs = sign_matrix(circuit.num_qubits)

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        """See `policy.ExpectationBackend`; row w B + b of the simulation is set w, input b."""
        angles, weights = checked_shapes(self.circuit, angles, weights)
        started = time.perf_counter()
        sets, inputs = len(weights), len(angles)
        rows = np.hstack([np.tile(angles, (sets, 1)), np.repeat(weights, inputs, axis=0)])
        probabilities = self.probabilities(rows)
        if self.shots is not None:
            probabilities = sample(probabilities, self.shots, self._generator)
        values = (probabilities @ self._signs).reshape(sets, inputs, -1)
        cost = Cost(len(rows), len(rows) * (self.shots or 0), time.perf_counter() - started)
        return Estimate(values, shot_errors(values, self.shots), cost)

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """Exact distribution (rows, 2^n) of the bit strings that are read; qubit 0 is lowest.

        Args:
            rows: (rows, A + P) angles and weights, in rad.
        """
        order = parameter_columns(self._prepared, self.circuit.num_angles)
        there = bound_probabilities(self._simulator, self._prepared, rows[:, order])
        return there if self._confusion is None else read_out(there, self._confusion)


class AerBackend(_AerBackend):
    """Noiseless state vectors.

    Args:
        circuit: The ansatz, 12 qubits at most.
        shots: Bit strings per circuit; None for exact values.
        seed: Seed of the bit strings.

    Raises:
        ConfigError: If the circuit is too large.
    """

    name = "aer"

    def __init__(self, circuit: Ansatz, shots: int | None = None, seed: int = 0) -> None:
        refuse_above(circuit.num_qubits, MAX_QUBITS_EXACT, 16 * 2**circuit.num_qubits)
        super().__init__(circuit, shots, seed)
        qubits = range(circuit.num_qubits)
        self._prepared = saving_probabilities(circuit.quantum_circuit(), qubits)
        self._simulator = _make_simulator(method="statevector")

    def facts(self) -> BackendFacts:
        """What the numbers come from, for provenance."""
        return BackendFacts(self.name, engine="aer statevector", shots=self.shots or "exact")


class NoisyAerBackend(_AerBackend):
    """A device's noise as exact density matrices on the qubits in use.

    Args:
        circuit: The ansatz, 8 qubits at most.
        snapshot: The device.
        transpiled: The circuit in the device's gates.
        noise_scale: Multiplies the device's errors.
        shots: Bit strings per circuit; None for exact values.
        seed: Seed of the bit strings.
        symmetric_readout: Use the mean of p01 and p10, as the vendor's noise model does.
        assumptions: What the snapshot does not tell; by default, waiting qubits decay.

    Raises:
        ConfigError: If the circuit is too large.
    """

    name = "aer_noisy"

    def __init__(
        self,
        circuit: Ansatz,
        snapshot: DeviceSnapshot,
        transpiled: TranspiledCircuit,
        *,
        noise_scale: float = 1.0,
        shots: int | None = None,
        seed: int = 0,
        symmetric_readout: bool = False,
        assumptions: Assumptions = ASSUMED,
    ) -> None:
        super().__init__(circuit, shots, seed)
        active = transpiled.active_qubits
        refuse_above(circuit.num_qubits, MAX_QUBITS_NOISY, 16 * 4 ** len(active))
        self.snapshot, self.transpiled, self.noise_scale = snapshot, transpiled, noise_scale
        self.assumptions = assumptions
        noisy = NoisyCircuit.of(transpiled.circuit, snapshot, active, assumptions, noise_scale)
        self.caps = noisy.caps
        self._confusion = confusion_matrices(
            noisy.snapshot, transpiled.output_qubits, symmetric=symmetric_readout
        )
        outputs = [active.index(qubit) for qubit in transpiled.output_qubits]
        self._prepared = saving_probabilities(noisy.circuit, outputs)
        self._simulator = density_simulator(noisy.noise)

    def facts(self) -> BackendFacts:
        """See `AerBackend`."""
        return replace(
            BackendFacts.laid_out(self.name, self.snapshot, self.transpiled, self.assumptions),
            device=self.snapshot.name,
            noise_scale=self.noise_scale,
            noise_caps=self.caps,
            engine="aer density_matrix",
            shots=self.shots or "exact",
        )


def refuse_above(num_qubits: int, limit: int, memory: int) -> None:
    """Refuse a simulation that would take too long.

    Raises:
        ConfigError: With the memory one state would take.
    """
    if num_qubits > limit:
        raise ConfigError(
            f"{num_qubits} qubits: this simulation goes to {limit}; one state would take "
            f"{memory / 2**20:.0f} MiB and every step grows with it.",
            f"Take {limit} qubits or fewer.",
        )


def sign_matrix(num_qubits: int) -> NDArray[np.float64]:
    """Eigenvalue of every Z_i (columns) on every bit string (rows)."""
    strings = np.arange(2**num_qubits)[:, None]
    signs: NDArray[np.float64] = 1.0 - 2.0 * ((strings >> np.arange(num_qubits)) & 1)
    return signs


def saving_probabilities(circuit: QuantumCircuit, outputs: Sequence[int]) -> QuantumCircuit:
    """A copy of a circuit that asks Aer for probabilities.

    Args:
        circuit: On the qubits in use alone, without measurements.
        outputs: Qubits that are read; the first is the lowest bit of a bit string.
    """
    from qiskit_aer.library import SaveProbabilities

    saving: QuantumCircuit = circuit.copy()
    saving.append(SaveProbabilities(len(outputs)), outputs)
    return saving


def density_simulator(noise: NoiseModel | None) -> AerSimulator:
    """Exact density matrices under this noise."""
    return _make_simulator(method="density_matrix", noise_model=noise)


def bound_probabilities(
    simulator: AerSimulator, prepared: QuantumCircuit, rows: FloatArray
) -> FloatArray:
    """Run a prepared circuit under every parameter set, in one call.

    Args:
        simulator: Runs it.
        prepared: Ends in one `save_probabilities` of n qubits.
        rows: (rows, P) in rad, columns in the order of ``prepared.parameters``.

    Returns:
        Probabilities (rows, 2^n) of the bit strings, before read-out; qubit 0 is the lowest bit.

    Raises:
        RuntimeError: With Aer's own words, if it fails.
    """
    parameters = prepared.parameters
    binds = {p: column.tolist() for p, column in zip(parameters, rows.T, strict=True)}
    # Bound while it runs, a gate may have one parameter: u2 and u3 are bound beforehand.
    late = all(len(item.operation.params) < 2 for item in prepared.data)
    result = simulator.run(
        prepared,
        parameter_binds=[binds] if binds else None,
        runtime_parameter_bind_enable=late,
    ).result()
    if not result.success:
        raise RuntimeError(f"Aer failed: {result.status}")
    if not binds:
        return np.tile(result.data(0)["probabilities"], (len(rows), 1))
    return np.array([result.data(row)["probabilities"] for row in range(len(rows))])


def read_out(probabilities: FloatArray, confusion: FloatArray) -> FloatArray:
    """Apply every qubit's confusion matrix (n, 2, 2) to probabilities (rows, 2^n).

    Axis n - i of the reshaped array is qubit i.
    """
    n = len(confusion)
    tensor = probabilities.reshape(-1, *([2] * n))
    for qubit in range(n):
        moved = np.moveaxis(tensor, n - qubit, -1)
        tensor = np.moveaxis(moved @ confusion[qubit].T, -1, n - qubit)
    return tensor.reshape(probabilities.shape)


def sample(probabilities: FloatArray, shots: int, generator: np.random.Generator) -> FloatArray:
    """Relative frequencies (rows, 2^n) of bit strings drawn with these probabilities."""
    clean = probabilities.clip(min=0)
    counts = generator.multinomial(shots, clean / clean.sum(axis=1, keepdims=True))
    frequencies: FloatArray = counts / shots
    return frequencies


def shot_errors(values: FloatArray, shots: int | None) -> FloatArray:
    """Standard errors sqrt((1 - z^2) / shots) of <Z> values; 0 where they are exact."""
    if shots is None:
        return np.zeros_like(values)
    errors: FloatArray = np.sqrt((1 - values**2).clip(min=0) / shots)
    return errors


def _make_simulator(**options: Any) -> AerSimulator:
    from qiskit_aer import AerSimulator

    return AerSimulator(**options)
