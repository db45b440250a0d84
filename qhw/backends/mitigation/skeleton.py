"""Folding by Mitiq, on a skeleton that it cannot misread. Imports Cirq: import this late.

Mitiq's own conversion of Qiskit circuits refuses unbound parameters, loses the layout, and rewrites
ECR gates so that scale 3 holds five times as many. So it is given a Cirq circuit of opaque gates,
one per instruction, that knows which qubits they touch and that each has an inverse: the folding
itself (local unitary folding, Giurgica-Tiron et al., arXiv 2005.10921) needs nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cirq
from mitiq.zne.scaling import fold_all

from qhw.backends.mitigation.gate_by_gate import Step


class _Opaque(cirq.Gate):
    """A gate of which only its size and its inverse are known."""

    def __init__(self, step: Step, size: int) -> None:
        self.step, self.size = step, size

    def _num_qubits_(self) -> int:
        return self.size

    def __pow__(self, exponent: object) -> _Opaque:
        if exponent != -1:
            return NotImplemented
        return _Opaque(replace(self.step, inverted=not self.step.inverted), self.size)


def folded_steps(qubits: Sequence[Sequence[int]], scale: int) -> list[Step]:
    """Fold a circuit of which only the qubits of each instruction are given.

    Args:
        qubits: Qubits of each instruction, in order.
        scale: Odd; every instruction G becomes G (G^-1 G)^((scale - 1) / 2).

    Returns:
        The folded circuit's steps, in order.
    """
    skeleton = cirq.Circuit(
        _Opaque(Step(position), len(touched)).on(*(cirq.LineQubit(qubit) for qubit in touched))
        for position, touched in enumerate(qubits)
    )
    steps = []
    for operation in fold_all(skeleton, scale).all_operations():
        gate = operation.gate
        if not isinstance(gate, _Opaque):
            raise TypeError(f"Mitiq put {operation} into the folded circuit, which was never in it")
        steps.append(gate.step)
    return steps
