"""A device's published noise by kind, and how strongly each kind is taken."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Severity:
    """What each kind of noise is multiplied by; 0 leaves it out, 1 is what the device publishes.

    A published gate error is that of the gate's decay and of a depolarising rest together. The two
    are kinds of their own here: without its decay a gate keeps its rest as it was.

    Attributes:
        two_qubit: Of the depolarising probability of two-qubit gates.
        one_qubit: Of the depolarising probability of one-qubit gates.
        decay: Of the time for which qubits decay within gates, by T1 and T2.
        waiting: Of the time for which qubits that wait decay.
        readout: Of the probabilities of wrong read-out, up to 1/2.

    Raises:
        ValueError: If one of them is negative.
    """

    two_qubit: float = 1.0
    one_qubit: float = 1.0
    decay: float = 1.0
    waiting: float = 1.0
    readout: float = 1.0

    def __post_init__(self) -> None:
        for kind in KINDS:
            if not getattr(self, kind) >= 0:
                raise ValueError(f"severity {kind} is {getattr(self, kind)}: choose 0 or more")

    @classmethod
    def alone(cls, kind: str, times: float = 1.0) -> Self:
        """One of `KINDS`, and none of the others."""
        return cls(**{each: times if each == kind else 0.0 for each in KINDS})

    @classmethod
    def without(cls, kind: str) -> Self:
        """All but one of `KINDS`."""
        return cls(**{kind: 0.0})

    @property
    def of_gates(self) -> bool:
        """Whether gates err otherwise than is published."""
        return not self.two_qubit == self.one_qubit == self.decay == 1

    @property
    def words(self) -> str:
        """For people, such as `decay x 0`, or `decay x 8 alone`; empty where all is published."""
        times = {kind: float(getattr(self, kind)) for kind in KINDS}
        there = [f"{kind} x {value:g}" for kind, value in times.items() if value]
        if len(there) < 2:
            return f"{there[0]} alone" if there else "nothing that is published"
        return ", ".join(f"{kind} x {value:g}" for kind, value in times.items() if value != 1)


KINDS = tuple(field.name for field in fields(Severity))
"""The kinds of noise that a snapshot publishes."""
PUBLISHED = Severity()
"""Every kind as it is published."""
