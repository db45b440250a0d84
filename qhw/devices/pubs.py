"""From rows of angles and weights to the PUB that a device is sent."""

from __future__ import annotations

from policy.backend import FloatArray
from qhw.backends.transpilation import TranspiledCircuit
from qhw.jobs.request import Pub


def parameterised(transpiled: TranspiledCircuit, rows: FloatArray, num_angles: int) -> Pub:
    """A PUB with the columns of `rows` (rows, A + P) put into the circuit's own order."""
    order = [_column(p.name, num_angles) for p in transpiled.circuit.parameters]
    return Pub(transpiled.circuit, transpiled.output_qubits, rows[:, order])


def _column(name: str, num_angles: int) -> int:
    """Column of a parameter such as `weight[3]` among angles and weights."""
    vector, index = name.rstrip("]").split("[")
    return int(index) + (num_angles if vector == "weight" else 0)
