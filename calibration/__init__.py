"""What is known about one device at one moment, and what follows from it."""

from __future__ import annotations

from calibration.layout import expected_error, quiet_region
from calibration.noise import ScaledSnapshot, confusion_matrices, noise_model, scale_noise
from calibration.snapshot import DeviceSnapshot, GateFacts, QubitFacts

__all__ = [
    "DeviceSnapshot",
    "GateFacts",
    "QubitFacts",
    "ScaledSnapshot",
    "confusion_matrices",
    "expected_error",
    "noise_model",
    "quiet_region",
    "scale_noise",
]
