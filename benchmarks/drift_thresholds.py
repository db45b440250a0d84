"""What a change of T1 and T2 does to the circuit's features, beside one of the errors.

    python -m benchmarks.drift_thresholds

RMS change of <Z_i> over 32 random parameter sets of the default circuit, exact values, each change
on all of the circuit's qubits at once unless it says one. T1 and T2 act where they do on a device:
on qubits that wait, and on gates, whose errors rise by what relaxation adds. `in the noise model`
is what a snapshot's noise model sees of them: gate errors stay, and nothing waits. An affine map's
own error (32 circuits x 4,096 shots, near <Z> = 0) is what a fit is uncertain by anyway.

`wandering`: how often a rule fires between two snapshots with nothing broken, if T1 and T2 of four
qubits alike wander independently with this standard deviation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.timing import significant, write_result
from calibration import DeviceSnapshot, GateFacts, QubitFacts, confusion_matrices, noise_model
from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import bound_probabilities, density_simulator, read_out, sign_matrix
from qhw.backends.mitigation.fitting import calibration_inputs
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions, reduced
from qhw.backends.transpile_cache import transpile_for
from qhw.known import open_snapshot

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

DEVICES = ("fake_brisbane", "fake_sherbrooke", "fake_torino", "fake_fez", "fake_marrakesh")
CIRCUIT, POINTS = RingCircuit(), 32


def relaxed(
    snapshot: DeviceSnapshot, factor: float, qubits: Collection[int] | None = None
) -> DeviceSnapshot:
    """T1 and T2 times a factor; of all qubits by default."""
    facts = tuple(
        replace(q, t1=q.t1 and q.t1 * factor, t2=q.t2 and q.t2 * factor)
        if qubits is None or index in qubits
        else q
        for index, q in enumerate(snapshot.qubits)
    )
    return replace(snapshot, qubits=facts)


def with_gates(snapshot: DeviceSnapshot, before: DeviceSnapshot) -> DeviceSnapshot:
    """Gate errors raised by what relaxation adds to them since `before`."""

    def raised(gate: GateFacts) -> GateFacts:
        if not gate.error or not gate.seconds or gate.error >= 1:
            return gate
        added = infidelity(snapshot, gate) - infidelity(before, gate)
        return replace(gate, error=gate.error + added)

    return replace(snapshot, gates=tuple(map(raised, snapshot.gates)))


def infidelity(snapshot: DeviceSnapshot, gate: GateFacts) -> float:
    """Average gate infidelity of relaxation alone; the qubits' process infidelities add up."""
    assert gate.seconds is not None
    process = 0.0
    for qubit in gate.qubits:
        facts = snapshot.qubits[qubit]
        if facts.t1 is None or facts.t2 is None:
            continue
        decay = np.exp(-gate.seconds / facts.t1)
        dephasing = np.exp(-gate.seconds / min(facts.t2, 2 * facts.t1))
        process += 1 - (1 + decay + 2 * dephasing) / 4
    size = 2 ** len(gate.qubits)
    return float(process * size / (size + 1))


def noisier(snapshot: DeviceSnapshot, *, pairs: float = 1, readout: float = 1) -> DeviceSnapshot:
    """Two-qubit and read-out errors times a factor."""
    gates = tuple(
        replace(g, error=g.error * pairs) if g.error and g.error < 1 and len(g.qubits) == 2 else g
        for g in snapshot.gates
    )
    qubits = tuple(replace(q, p01=q.p01 * readout, p10=q.p10 * readout) for q in snapshot.qubits)
    return replace(snapshot, gates=gates, qubits=qubits)


def features(snapshot: DeviceSnapshot, laid: TranspiledCircuit, *, idle: bool) -> FloatArray:
    """<Z_i>, (POINTS, n)."""
    from qiskit_aer.library import SaveProbabilities

    active, outputs = laid.active_qubits, laid.output_qubits
    circuit = reduced(laid.circuit, active)
    if idle:
        circuit = idling(circuit, snapshot, active)
    circuit.append(SaveProbabilities(len(outputs)), [active.index(q) for q in outputs])
    inputs = calibration_inputs(CIRCUIT, POINTS)
    order = [column(p.name) for p in circuit.parameters]
    simulator = density_simulator(noise_model(snapshot, active))
    found = bound_probabilities(simulator, circuit, inputs.rows[:, order])
    return read_out(found, confusion_matrices(snapshot, outputs)) @ sign_matrix(len(outputs))


def column(name: str) -> int:
    vector, index = name.rstrip("]").split("[")
    return int(index) + (CIRCUIT.num_angles if vector == "weight" else 0)


def idling(
    circuit: QuantumCircuit, snapshot: DeviceSnapshot, active: Sequence[int]
) -> QuantumCircuit:
    """The circuit with relaxation where a qubit waits, every gate as late as can be."""
    from qiskit.circuit import Delay
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay
    from qiskit_aer.noise.passes import RelaxationNoisePass

    target = snapshot.target(active)
    target.add_instruction(Delay(0), {(i,): None for i in range(len(active))}, name="delay")
    times = [relaxation_times(snapshot.qubits[q]) for q in active]
    relaxation = RelaxationNoisePass(
        [t1 for t1, _ in times], [t2 for _, t2 in times], dt=snapshot.dt, op_types=Delay
    )
    schedule = PassManager([ALAPScheduleAnalysis(target=target), PadDelay(target=target)])
    return relaxation(schedule.run(circuit))


def relaxation_times(qubit: QubitFacts) -> tuple[float, float]:
    """T1 and T2 in seconds; T2 is at most twice T1."""
    if qubit.t1 is None or qubit.t2 is None:
        raise ValueError(f"{qubit} has no T1 or no T2: take a device that gives both")
    return qubit.t1, min(qubit.t2, 2 * qubit.t1)


def measure(device: str, folder: Path) -> dict[str, float]:
    snapshot = open_snapshot(device)
    laid = transpile_for(CIRCUIT, snapshot, TranspileOptions(), folder)
    plain = features(snapshot, laid, idle=False)
    at = features(snapshot, laid, idle=True)

    def moved(changed: DeviceSnapshot) -> float:
        return rms(features(changed, laid, idle=True) - at)

    def times(factor: float, qubits: Collection[int] | None = None) -> float:
        return moved(with_gates(relaxed(snapshot, factor, qubits), snapshot))

    fitted = open_backend("aer_noisy", CIRCUIT, device=device, mitigation="affine", shots=1024)
    own = str(fitted.facts().words()["affine error beside shots"])
    return {
        "T1, T2 -10 %": times(0.9),
        "T1, T2 -17 % (decay 20 % faster)": times(1 / 1.2),
        "T1, T2 -40 %": times(0.6),
        "T1, T2 -10 %, one qubit, worst": max(times(0.9, [q]) for q in laid.active_qubits),
        "T1, T2 -50 %, one qubit, worst": max(times(0.5, [q]) for q in laid.active_qubits),
        "two-qubit errors +20 %": moved(noisier(snapshot, pairs=1.2)),
        "read-out errors +20 %": moved(noisier(snapshot, readout=1.2)),
        "T1, T2 -10 % in the noise model": rms(
            features(relaxed(snapshot, 0.9), laid, idle=False) - plain
        ),
        "an affine map's own error": float(own.split(maxsplit=1)[0]),
    }


def wandering(deviation: float, trials: int = 20_000) -> dict[str, float]:
    """Shares of pairs of snapshots in which each rule fires."""
    rng = np.random.default_rng(0)
    before, after = np.exp(deviation * rng.standard_normal((2, trials, 2, 4)))
    share = after / before - 1
    together = (1 / after).sum(axis=-1) / (1 / before).sum(axis=-1) - 1
    rules = {
        "one moves by 10 %": (abs(share) >= 0.1).any(axis=(1, 2)),
        "one falls to half": (share <= -0.5).any(axis=(1, 2)),
        "together they decay 20 % faster or slower": (abs(together) >= 0.2).any(axis=1),
    }
    return {name: significant(float(fires.mean())) for name, fires in rules.items()}


def rms(difference: FloatArray) -> float:
    return significant(float(np.sqrt(np.mean(difference**2))))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = {name: measure(name, Path(folder) / name) for name in DEVICES}
    told = {f"{sd:.0%}": wandering(sd) for sd in (0.05, 0.1, 0.2)}
    write_result(__file__, {**result, "wandering": told})


if __name__ == "__main__":
    main()
