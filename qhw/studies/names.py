"""What devices, mitigations and shots are called in files, labels and sentences."""

from __future__ import annotations


def identifier(device: str) -> str:
    """A device's name as part of an identifier or a file's name."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in device.lower())


def mitigation_title(method: str) -> str:
    """A mitigation's name for people."""
    return "no mitigation" if method == "none" else method


def shots_label(shots: int | None) -> str:
    """Such as `1024` or `exact`."""
    return str(shots) if shots else "exact"


def shots_in_words(shots: int | None) -> str:
    """Such as `1024 shots` or `exact values`."""
    return f"{shots} shots" if shots else "exact values"
