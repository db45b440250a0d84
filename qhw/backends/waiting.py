"""When gates happen, and the waits in between.

A transpiled circuit says in which order gates happen, not when. Here each happens as late as
possible (ALAP): a qubit rather waits in |0>, which does not decay, before its first gate than
with a state that does after its last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from calibration import DeviceSnapshot

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

SHORTEST = 1e-12
"""Seconds; a thousandth of any device's sample."""


def with_waits(
    circuit: QuantumCircuit, snapshot: DeviceSnapshot, active: Sequence[int], times: float = 1.0
) -> QuantumCircuit:
    """The same circuit with a `delay`, in seconds, wherever a qubit waits.

    Args:
        circuit: On the active qubits alone; see `qhw.backends.transpilation.reduced`.
        snapshot: The device; gates take as long as it says.
        active: Physical qubits that carry the circuit.
        times: Multiplies the waits once they are known; 0 leaves them out.
    """
    from qiskit.circuit import Delay, Parameter
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay, TimeUnitConversion

    # Scheduled in seconds: some snapshots give no sample time, and one gives a wrong one.
    target = replace(snapshot, dt=None).target(active)
    everywhere = {(qubit,): None for qubit in range(len(active))}
    target.add_instruction(Delay(Parameter("seconds"), unit="s"), everywhere)
    passes = [step(target=target) for step in (TimeUnitConversion, ALAPScheduleAnalysis, PadDelay)]
    return _stretched(PassManager(passes).run(circuit), times)


def _stretched(scheduled: QuantumCircuit, times: float) -> QuantumCircuit:
    """Multiply waits, and drop those that are only sums of seconds in another order."""
    from qiskit.circuit import Delay

    kept: QuantumCircuit = scheduled.copy_empty_like()
    for item in scheduled.data:
        if item.operation.name != "delay":
            kept.append(item)
        elif times * item.operation.duration > SHORTEST:
            kept.append(Delay(times * item.operation.duration, unit="s"), item.qubits)
    return kept
