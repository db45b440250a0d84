"""Figures by shots with a line per mitigation, and the names they use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qhw.studies.finding import Axis, Estimate, Figure, Reference, Series
from qhw.studies.measured.noisy import METHODS, SHOTS, Key, identifier

FloatArray = NDArray[np.float64]

REFERENCE_SHOTS = 1024
"""At which the sentences compare mitigations."""
TITLES = {"none": "no mitigation"}


def title(method: str) -> str:
    """A mitigation's name for people."""
    return TITLES.get(method, method)


def shots_label(shots: int | None) -> str:
    """Such as `1024` or `exact`."""
    return str(shots) if shots else "exact"


def shots_in_words(shots: int | None) -> str:
    """Such as `1024 shots` or `exact values`."""
    return f"{shots} shots" if shots else "exact values"


def figure_by_shots(
    device: str,
    estimates: Mapping[Key, Estimate],
    *,
    name: str,
    heading: str,
    label: str,
    unit: str = "",
    reading: str,
    reference: Reference | None = None,
) -> Figure:
    """One device's lines.

    Args:
        device: Its conditions are drawn.
        estimates: Of every condition.
        name: Start of the figure's identifier.
        heading: Start of the title.
        label: Of the vertical axis.
        unit: Of the vertical axis.
        reading: How to read it, one sentence.
        reference: A line across.
    """
    methods = [m for m in METHODS if all(Key(device, m, s) in estimates for s in SHOTS)]
    ends = "; ".join(
        f"{title(m)} {estimates[Key(device, m, SHOTS[0])].value:.3g} to "
        f"{estimates[Key(device, m, None)].value:.3g}"
        for m in methods
    )
    return Figure(
        id=f"{name}_{identifier(device)}",
        title=f"{heading}, {device}",
        kind="lines",
        x=Axis(label="shots per evaluation", order=tuple(shots_label(s) for s in SHOTS)),
        y=Axis(label=label, unit=unit, log=True),
        series=tuple(
            Series.of(
                title(method),
                [shots_label(shots) for shots in SHOTS],
                [estimates[Key(device, method, shots)] for shots in SHOTS],
            )
            for method in methods
        ),
        references=(reference,) if reference else (),
        reading=reading,
        alternative=f"{label} on {device}, from {SHOTS[0]} shots to exact values: {ends}.",
    )
