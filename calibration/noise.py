"""A snapshot's noise on the few qubits that a circuit uses, scaled if asked.

The model is the vendor's: depolarising plus thermal relaxation per gate (Qiskit Aer), built on the
part of the device that is used, which is 50 times faster and gives the same channels. One thing
differs and is declared: read-out errors p01 and p10 are kept apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.assumptions import ASSUMED, Assumptions
from calibration.gate_errors import gate_errors
from calibration.snapshot import DeviceSnapshot, GateFacts, QubitFacts

if TYPE_CHECKING:
    from qiskit.circuit import Gate
    from qiskit.transpiler import Target
    from qiskit_aer.noise import NoiseModel, QuantumError

FloatArray = NDArray[np.float64]
MAX_READOUT_ERROR = 0.5
TWO_QUBIT_GATES = ("cx", "cz", "ecr", "rzz")


@dataclass(frozen=True)
class ScaledSnapshot:
    """A snapshot with its errors multiplied.

    Attributes:
        snapshot: With scaled errors.
        caps: One line for every kind of number that met its physical limit.
    """

    snapshot: DeviceSnapshot
    caps: tuple[str, ...]


def scale_noise(
    snapshot: DeviceSnapshot, scale: float, used: Collection[int] | None = None
) -> ScaledSnapshot:
    """Multiply gate and read-out errors by `scale`, and divide T1 and T2 by it.

    Gate errors stop at (2^n - 1) / 2^n and read-out errors at 1/2, where nothing is left to lose.
    A scale of 0 removes all noise.

    Args:
        snapshot: The device.
        scale: 0 or more.
        used: Qubits that carry a circuit, among which caps are counted; all of them by default.

    Raises:
        ValueError: If the scale is negative.
    """
    if not scale >= 0:
        raise ValueError(f"noise scale is {scale}: choose 0 or more")
    gates = tuple(_scaled_gate(gate, scale) for gate in snapshot.gates)
    qubits = tuple(_scaled_qubit(qubit, scale) for qubit in snapshot.qubits)
    counted = range(len(qubits)) if used is None else used
    return ScaledSnapshot(
        replace(snapshot, gates=gates, qubits=qubits), _caps(snapshot, scale, counted)
    )


def _caps(snapshot: DeviceSnapshot, scale: float, counted: Collection[int]) -> tuple[str, ...]:
    gates = [gate for gate in snapshot.gates if set(gate.qubits) <= set(counted)]
    gate_caps = sum((gate.error or 0) * scale > _max_error(gate) for gate in gates)
    qubits = [snapshot.qubits[qubit] for qubit in counted]
    readout_caps = sum(max(q.p01, q.p10) * scale > MAX_READOUT_ERROR for q in qubits)
    counts = {
        f"{gate_caps} gate errors capped": gate_caps,
        f"{readout_caps} read-out errors capped at {MAX_READOUT_ERROR}": readout_caps,
    }
    return tuple(line for line, count in counts.items() if count)


def noise_model(
    snapshot: DeviceSnapshot, active: Sequence[int], assumptions: Assumptions = ASSUMED
) -> NoiseModel:
    """Noise of gates and delays on the active qubits, renumbered 0, 1, ...; without read-out error.

    Aer ignores read-out error when probabilities are saved, so it is kept apart in
    `confusion_matrices`. Delays decay by the vendor's own pass over the circuit, with the qubits'
    T1 and T2.

    Args:
        snapshot: The device.
        active: Physical qubits.
        assumptions: Coherent errors beside what is published, none by default, and how strongly
            each kind of gate error is taken.
    """
    from qiskit.providers import BackendV2, Options
    from qiskit_aer.noise import NoiseModel

    target = snapshot.target(active)
    apart = assumptions.severity.of_gates
    # Where gates err otherwise than is published, the vendor's builder is left with delays alone.
    published = _perfect(snapshot).target(active) if apart else target

    class _Part(BackendV2):  # type: ignore[misc]
        """The used part of the device, as the noise builder wants to see it."""

        @property
        def target(self) -> Any:
            return published

        @property
        def max_circuits(self) -> None:
            return None

        @classmethod
        def _default_options(cls) -> Options:
            return Options()

        def run(self, run_input: Any, **options: Any) -> Any:
            raise NotImplementedError("a snapshot only describes a device")

    model = NoiseModel.from_backend(_Part(name=snapshot.name), readout_error=False)
    for name, qubits, error in gate_errors(target, assumptions.severity) if apart else ():
        model.add_quantum_error(error, name, qubits, warnings=False)
    _add_coherent(model, target, assumptions)
    return model


def _perfect(snapshot: DeviceSnapshot) -> DeviceSnapshot:
    """The device with gates that do not err and take no time; its qubits decay while they wait."""
    gates = tuple(replace(gate, error=None, seconds=None) for gate in snapshot.gates)
    return replace(snapshot, gates=gates)


def _add_coherent(model: NoiseModel, target: Target, assumptions: Assumptions) -> None:
    """Coherent errors after the gates, beside the incoherent ones that are there."""
    from qiskit.circuit.library import RXGate, RZZGate

    turns = {
        "x": RXGate(2 * assumptions.over_rotation),
        "sx": RXGate(assumptions.over_rotation),
        **{name: RZZGate(assumptions.zz_angle) for name in TWO_QUBIT_GATES},
    }
    for name in turns.keys() & set(target.operation_names):
        error = _turned(turns[name], twirled=assumptions.twirl == "pauli")
        for qubits in target[name] if turns[name].params[0] else ():
            model.add_quantum_error(error, name, qubits, warnings=False)


def _turned(turn: Gate, *, twirled: bool) -> QuantumError:
    """A rotation exp(-i angle P / 2) as an error; twirled, the Pauli P with its probability."""
    from qiskit_aer.noise import coherent_unitary_error, pauli_error

    if not twirled:
        return coherent_unitary_error(turn.to_matrix())
    probability = float(np.sin(turn.params[0] / 2)) ** 2
    pauli = {"rx": "X", "rzz": "ZZ"}[turn.name]
    return pauli_error([(pauli, probability), ("I" * len(pauli), 1 - probability)])


def confusion_matrices(
    snapshot: DeviceSnapshot, qubits: Sequence[int], *, symmetric: bool = False
) -> FloatArray:
    """Read-out of each qubit as a matrix of P(read row | prepared column).

    Args:
        snapshot: The device.
        qubits: Physical qubits.
        symmetric: Use the mean of p01 and p10 for both, as the vendor's noise model does.

    Returns:
        (n, 2, 2); columns sum to 1.
    """
    matrices = []
    for qubit in qubits:
        facts = snapshot.qubits[qubit]
        mean = facts.readout_error
        p01, p10 = (mean, mean) if symmetric else (facts.p01, facts.p10)
        matrices.append([[1 - p01, p10], [p01, 1 - p10]])
    return np.array(matrices)


def misread(snapshot: DeviceSnapshot, times: float) -> DeviceSnapshot:
    """The device with its read-out errors multiplied, up to 1/2; those beyond stay as they are."""

    def of(error: float) -> float:
        return min(times * error, max(error, MAX_READOUT_ERROR))

    qubits = tuple(replace(q, p01=of(q.p01), p10=of(q.p10)) for q in snapshot.qubits)
    return snapshot if times == 1 else replace(snapshot, qubits=qubits)


def _scaled_gate(gate: GateFacts, scale: float) -> GateFacts:
    if gate.error is None:
        return gate
    return replace(gate, error=min(gate.error * scale, _max_error(gate)))


def _max_error(gate: GateFacts) -> float:
    return 1.0 - 0.5 ** len(gate.qubits)


def _scaled_qubit(qubit: QubitFacts, scale: float) -> QubitFacts:
    return replace(
        qubit,
        t1=_divided(qubit.t1, scale),
        t2=_divided(qubit.t2, scale),
        p01=min(qubit.p01 * scale, MAX_READOUT_ERROR),
        p10=min(qubit.p10 * scale, MAX_READOUT_ERROR),
    )


def _divided(seconds: float | None, scale: float) -> float | None:
    return None if seconds is None or scale == 0 else seconds / scale
