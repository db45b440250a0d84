"""What is tried against noise and shots: mitigation, and the same money spent on more shots."""

from __future__ import annotations

from qhw.config import MethodName
from qhw.studies.measured.conditions import Setting

METHODS: tuple[MethodName, ...] = ("readout", "affine", "zne")
SHOTS = 1024
"""Per circuit, with every method and without one."""
MORE_SHOTS = "twice the shots"


def plain(device: str) -> Setting:
    """What remedies are to improve: shots, and no mitigation."""
    return Setting(device, shots=SHOTS)


def remedies(device: str) -> dict[str, Setting]:
    """What is tried, by name."""
    methods = ((name, Setting(device, shots=SHOTS, mitigation=name)) for name in METHODS)
    return {**dict[str, Setting](methods), MORE_SHOTS: Setting(device, shots=2 * SHOTS)}
