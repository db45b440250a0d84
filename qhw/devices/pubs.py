"""From rows of angles and weights to the PUB that a device is sent."""

from __future__ import annotations

from policy.backend import FloatArray
from qhw.backends.transpilation import TranspiledCircuit, parameter_columns
from qhw.jobs.request import Pub


def parameterised(transpiled: TranspiledCircuit, rows: FloatArray, num_angles: int) -> Pub:
    """A PUB with the columns of `rows` (rows, A + P) put into the circuit's own order."""
    order = parameter_columns(transpiled.circuit, num_angles)
    return Pub(transpiled.circuit, transpiled.output_qubits, rows[:, order])
