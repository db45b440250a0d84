"""Settings that take a device's noise kind by kind: left out, alone, or made worse."""

from __future__ import annotations

import math

from calibration import KINDS, Severity
from qhw.studies.measured.conditions import Setting

COHERENT = "coherent"
ZZ_ANGLE = 0.025
"""Assumed after each two-qubit gate, in rad: 1.2e-4 of average infidelity. No snapshot tells it."""
NOTHING = Severity(**dict.fromkeys(KINDS, 0.0))
TITLES = {
    "two_qubit": "two-qubit gates",
    "one_qubit": "one-qubit gates",
    "decay": "decay within gates",
    "waiting": "decay in waits",
    "readout": "read-out",
    COHERENT: f"coherent, ZZ {ZZ_ANGLE:g} rad (assumed)",
}
"""Every kind, for people; the last one is assumed, the others are published."""


def alone(device: str, kind: str, times: float = 1.0) -> Setting:
    """One kind and no other; of a coherent error the infidelity is multiplied."""
    if kind == COHERENT:
        return Setting(device, severity=NOTHING, zz_angle=math.sqrt(times) * ZZ_ANGLE)
    return Setting(device, severity=Severity.alone(kind, times))


def without(device: str, kind: str) -> Setting:
    """Everything that the device publishes but one kind."""
    return Setting(device, severity=Severity.without(kind))


def with_coherent(device: str) -> Setting:
    """Everything that the device publishes, and the coherent error beside it."""
    return Setting(device, zz_angle=ZZ_ANGLE)
