"""What a simulation takes for granted, since no snapshot publishes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from calibration.severity import PUBLISHED, Severity

Idle = Literal["alap", "off"]
"""Whether waiting qubits decay: as circuits are scheduled as late as possible, or not at all."""
Twirl = Literal["pauli", "off"]
"""Whether coherent errors are averaged over Paulis."""


@dataclass(frozen=True)
class Assumptions:
    """How a device errs beyond its published numbers.

    Attributes:
        idle: Whether waiting qubits decay with their T1 and T2. A snapshot does not say when gates
            happen; as late as possible (ALAP) is assumed.
        zz_angle: Coherent error of two-qubit gates: exp(-i angle ZZ / 2) after each, in rad. Its
            average infidelity is (4 / 5) sin^2(angle / 2).
        over_rotation: Coherent error of one-qubit gates: a further rotation about x after each sx,
            in rad; twice as much after an x.
        twirl: Averaged over Paulis, a coherent error is a Pauli with probability sin^2(angle / 2).
        severity: How strongly each kind of published noise is taken; as published by default.
    """

    idle: Idle = "alap"
    zz_angle: float = 0.0
    over_rotation: float = 0.0
    twirl: Twirl = "off"
    severity: Severity = PUBLISHED

    def scaled(self, scale: float) -> Assumptions:
        """With the coherent errors' infidelity multiplied; waits follow T1 and T2 by themselves."""
        root = math.sqrt(scale)
        return replace(self, zz_angle=root * self.zz_angle, over_rotation=root * self.over_rotation)

    @property
    def coherent(self) -> str:
        """The coherent errors, for people; empty without any."""
        angles = {"ZZ": self.zz_angle, "over-rotation": self.over_rotation}
        told = ", ".join(f"{name} {angle:g} rad" for name, angle in angles.items() if angle)
        return f"{told}, Pauli-twirled" if told and self.twirl == "pauli" else told


ASSUMED = Assumptions()
"""Where nothing else is said: waiting qubits decay, nothing is coherent."""
VENDOR = Assumptions(idle="off")
"""What the vendor's noise model assumes: waiting qubits do not decay, nothing is coherent."""
