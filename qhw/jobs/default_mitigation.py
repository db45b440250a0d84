"""Which mitigation a device gets when nobody named one, so that a quote and a run agree."""

from __future__ import annotations

from typing import Literal

from qhw.jobs.budget import Limits, qpu_seconds
from qhw.jobs.planned import AFFINE_CIRCUITS, CALIBRATION_SHOTS

DEFAULT_SHOTS = 1024
"""Shots per circuit on devices, unless --shots says otherwise."""
CALIBRATION_SHARE = 0.25
"""Share of a limit that an affine calibration may take."""


def default_mitigation(
    limits: Limits, dollars_per_second: float
) -> tuple[Literal["affine", "readout"], str]:
    """The method and the reason: affine where its calibration fits, else read-out.

    Args:
        limits: Of the whole run.
        dollars_per_second: Price of a QPU second.
    """
    if limits.max_jobs is not None and CALIBRATION_SHARE * limits.max_jobs < 1:
        return "readout", (
            f"by default; an affine calibration would take 1 of {limits.max_jobs} jobs"
        )
    needed = qpu_seconds(1, AFFINE_CIRCUITS, CALIBRATION_SHOTS)
    allowed = [] if limits.max_qpu_seconds is None else [limits.max_qpu_seconds]
    if limits.max_cost is not None:
        allowed.append(limits.max_cost / dollars_per_second)
    if not allowed or needed <= CALIBRATION_SHARE * min(allowed):
        return "affine", f"by default; its calibration takes at most {needed:.0f} QPU s"
    return "readout", (
        f"by default; an affine calibration would take {needed:.0f} of {min(allowed):.0f} QPU s"
    )
