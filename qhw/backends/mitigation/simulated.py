"""Mitigation on simulators: what a device would measure, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration import DeviceSnapshot
from policy import Ansatz, Cost, DifferentiableBackend, Estimate
from policy.backend import FloatArray
from qhw.backends.backend import Backend
from qhw.backends.facts import BackendFacts
from qhw.backends.mitigation.affine import AffineMap, affine_key
from qhw.backends.mitigation.fitting import (
    calibration_inputs,
    evaluate_rows,
    fit_affine,
    ideal_values,
)
from qhw.backends.mitigation.folded_cache import folded_for
from qhw.backends.mitigation.method import Mitigation
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.backends.mitigation.zne import ZeroNoise
from qhw.backends.transpilation import TranspiledCircuit
from qhw.config import CALIBRATION_SHOTS, MethodName
from qhw.errors import MitigationError

Opener = Callable[[TranspiledCircuit, int | None, int], Backend]
"""Opens the unmitigated backend of a transpiled circuit, with these shots and this seed."""

CALIBRATION_STREAM = 1_000
"""Number of the calibration's random numbers; noise scales take their own number."""


class MitigatedBackend:
    """Simulators, one per noise scale, and the method that combines them.

    Args:
        backends: One for each of the method's scales.
        method: What is done to the values.
        calibration: What it took to prepare the method; it is in no evaluation's cost.
    """

    def __init__(
        self, backends: Sequence[Backend], method: Mitigation, calibration: Cost | None = None
    ) -> None:
        if len(backends) != len(method.scales):
            raise ValueError(f"{len(backends)} backends for the scales {method.scales}")
        self.circuit: Ansatz = backends[0].circuit
        self.method = method
        self.calibration = calibration or Cost()
        self.warning = "; ".join(dict.fromkeys(filter(None, (b.warning for b in backends))))
        self._backends = tuple(backends)

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        """See `policy.ExpectationBackend`; the cost is that of all scales."""
        estimates = [backend.evaluate(angles, weights) for backend in self._backends]
        values, errors = self.method.combine([(e.values, e.standard_errors) for e in estimates])
        return Estimate(values, errors, sum((e.cost for e in estimates), Cost()))

    def facts(self) -> BackendFacts:
        """What the numbers come from: the backend's facts and the method's."""
        return replace(self._backends[0].facts(), mitigation=self.method.facts())

    def random_state(self) -> dict[str, Any]:
        """Where the generators of all scales stand, as plain JSON."""
        return {"scales": [backend.random_state() for backend in self._backends]}

    def restore_random_state(self, state: dict[str, Any]) -> None:
        """Put all generators back."""
        for backend, standing in zip(self._backends, state["scales"], strict=True):
            backend.restore_random_state(standing)


class DifferentiableMitigatedBackend(MitigatedBackend):
    """One that differentiates itself, since its only simulator and its method do."""

    def vjp(self, angles: FloatArray, weights: FloatArray, upstream: FloatArray) -> FloatArray:
        """See `policy.DifferentiableBackend`."""
        (simulator,) = self._backends
        assert isinstance(simulator, DifferentiableBackend)
        return simulator.vjp(angles, weights, upstream * self.method.gain())


def mitigated(
    backends: Sequence[Backend], method: Mitigation, calibration: Cost | None = None
) -> MitigatedBackend:
    """Join backends and method; the answer has a `vjp` only where both allow it."""
    alone = len(backends) == 1 and isinstance(backends[0], DifferentiableBackend)
    made = DifferentiableMitigatedBackend if method.differentiable and alone else MitigatedBackend
    return made(backends, method, calibration)


@dataclass(frozen=True)
class Simulation:
    """A simulated device that mitigation is prepared on.

    Attributes:
        circuit: The ansatz.
        snapshot: The device, with the errors it is simulated with.
        transpiled: The circuit in its gates.
        open_at: Opens the unmitigated backend of a circuit in its gates.
        shots: Per circuit; None for exact values.
        seed: Seed of the bit strings.
        folded: Folder of folded circuits; see `qhw.files.Cache.folded`.
    """

    circuit: Ansatz
    snapshot: DeviceSnapshot
    transpiled: TranspiledCircuit
    open_at: Opener
    shots: int | None
    seed: int
    folded: Path


def open_mitigated(method: MethodName, simulation: Simulation) -> MitigatedBackend:
    """Prepare a method on a simulated device and open its backends.

    Raises:
        MitigationError: If the method does not fit this device, or is the platform's own.
    """
    if method == "affine":
        fitted, cost = _fit(simulation)
        return mitigated([_open(simulation, 1)], fitted, cost)
    readout = ReadoutInversion.published(simulation.snapshot, simulation.transpiled.output_qubits)
    if method == "readout":
        return mitigated([_open(simulation, 1)], readout)
    if method == "zne":
        zero_noise = ZeroNoise(readout=readout)
        return mitigated([_open(simulation, scale) for scale in zero_noise.scales], zero_noise)
    raise MitigationError(
        f"--mitigation {method} on a simulator of {simulation.snapshot.name}: 'native' is the "
        "platform's own mitigation.",
        "Take affine, readout or zne, or a device: --backend ibm_fez.",
    )


def _open(simulation: Simulation, scale: int) -> Backend:
    """The backend at one noise scale; that of scale 1 draws the unmitigated one's bit strings."""
    at = simulation
    folded = folded_for(at.circuit, at.snapshot, at.transpiled, scale, at.folded)
    seed = at.seed if scale == 1 else _stream(at.seed, scale)
    return at.open_at(folded, at.shots, seed)


def _fit(simulation: Simulation) -> tuple[AffineMap, Cost]:
    """Run the calibration circuits: sampled where the backend samples, exactly where it does not.

    The date is that of the simulated calibration, so that the same settings say the same.
    """
    shots = CALIBRATION_SHOTS if simulation.shots else None
    seed = _stream(simulation.seed, CALIBRATION_STREAM)
    inputs = calibration_inputs(simulation.circuit)
    rows = evaluate_rows(simulation.open_at(simulation.transpiled, shots, seed), inputs)
    fitted = fit_affine(
        rows.values,
        rows.errors,
        ideal_values(simulation.circuit, inputs),
        shots=shots or 0,
        date=simulation.snapshot.taken_at,
        calibration_digest=simulation.snapshot.calibration_digest,
        device=simulation.snapshot.name,
        key=affine_key(simulation.transpiled),
    )
    return fitted, rows.cost


def _stream(seed: int, number: int) -> int:
    """A seed of its own for each of several generators."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
