"""What is known about one device at one moment, and what follows from it."""

from __future__ import annotations

from calibration.drift import Change, Drift, Thresholds, compare
from calibration.layout import expected_error, quiet_region, uncalibrated
from calibration.noise import ScaledSnapshot, confusion_matrices, noise_model, scale_noise
from calibration.republished import republished
from calibration.snapshot import DeviceSnapshot, GateFacts, QubitFacts

__all__ = [
    "Change",
    "DeviceSnapshot",
    "Drift",
    "GateFacts",
    "QubitFacts",
    "ScaledSnapshot",
    "Thresholds",
    "compare",
    "confusion_matrices",
    "expected_error",
    "noise_model",
    "quiet_region",
    "republished",
    "scale_noise",
    "uncalibrated",
]
