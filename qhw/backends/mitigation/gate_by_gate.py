"""Folding without Mitiq, for Pythons on which it cannot be installed.

Local unitary folding (Giurgica-Tiron et al., arXiv 2005.10921) at an odd scale leaves no choice:
every gate G becomes G (G^-1 G)^k. It equals Mitiq's to the gate.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One gate of a folded circuit.

    Attributes:
        position: Index of its instruction in the original circuit.
        inverted: Whether it stands for the inverse.
    """

    position: int
    inverted: bool = False


def folded_in_order(count: int, scale: int) -> list[Step]:
    """The steps of a folded circuit of `count` instructions, in order.

    Args:
        count: Instructions of the original.
        scale: Odd, 1 or more.
    """
    return [
        step
        for position in range(count)
        for step in [
            Step(position),
            *[Step(position, inverted=True), Step(position)] * (scale // 2),
        ]
    ]
