"""What is known about one device at one moment, and what follows from it.

Each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibration.assumptions import ASSUMED, VENDOR, Assumptions, Idle, Twirl
    from calibration.drift import Change, Drift, Thresholds, compare
    from calibration.layout import expected_error, quiet_region, uncalibrated
    from calibration.noise import (
        ScaledSnapshot,
        confusion_matrices,
        misread,
        noise_model,
        scale_noise,
    )
    from calibration.properties import republished
    from calibration.severity import KINDS, PUBLISHED, Severity
    from calibration.snapshot import DeviceSnapshot, GateFacts, QubitFacts

__all__ = [
    "ASSUMED",
    "KINDS",
    "PUBLISHED",
    "VENDOR",
    "Assumptions",
    "Change",
    "DeviceSnapshot",
    "Drift",
    "GateFacts",
    "Idle",
    "QubitFacts",
    "ScaledSnapshot",
    "Severity",
    "Thresholds",
    "Twirl",
    "compare",
    "confusion_matrices",
    "expected_error",
    "misread",
    "noise_model",
    "quiet_region",
    "republished",
    "scale_noise",
    "uncalibrated",
]

# A name that a module has, too, would be that module as soon as somebody had imported it.
_NAMES = {
    "assumptions": "ASSUMED VENDOR Assumptions Idle Twirl",
    "drift": "Change Drift Thresholds compare",
    "layout": "expected_error quiet_region uncalibrated",
    "noise": "ScaledSnapshot confusion_matrices misread noise_model scale_noise",
    "properties": "republished",
    "severity": "KINDS PUBLISHED Severity",
    "snapshot": "DeviceSnapshot GateFacts QubitFacts",
}


def __getattr__(name: str) -> object:
    """Import a name of the face."""
    for module, names in _NAMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
