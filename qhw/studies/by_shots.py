"""Figures by shots with a line per mitigation, and which mitigation helps, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhw.studies.finding import Axis, Estimate, Figure, Reference, Series
from qhw.studies.noisy import METHODS, SHOTS, Key, identifier
from qhw.studies.statistics import holm, nothing_seen, paired_difference, shown, units_of

FloatArray = NDArray[np.float64]

REFERENCE_SHOTS = 1024
"""At which the sentences compare mitigations."""
TITLES = {"none": "no mitigation", "zne": "zero-noise extrapolation"}
MATTERS = 0.1
"""A change of a mean square by this share would matter: 5 % of its root."""
ALPHA = 0.05


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
    methods = [m for m in METHODS if Key(device, m, REFERENCE_SHOTS) in estimates]
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
        series=tuple(_line(device, method, estimates) for method in methods),
        references=(reference,) if reference else (),
        reading=reading,
        alternative=f"{label} on {device}, from {SHOTS[0]} shots to exact values: {ends}.",
    )


def _line(device: str, method: str, estimates: Mapping[Key, Estimate]) -> Series:
    points = [estimates[Key(device, method, shots)] for shots in SHOTS]
    return Series(
        name=title(method),
        x=tuple(shots_label(shots) for shots in SHOTS),
        y=tuple(_drawn(point.value) for point in points),
        low=tuple(_drawn(point.low) for point in points),
        high=tuple(_drawn(point.high) for point in points),
    )


def _drawn(value: float) -> float | None:
    """A number on a logarithmic axis; 0 has no place there."""
    return value if value > 0 else None


@dataclass(frozen=True)
class Comparison:
    """A mitigation against none, at equal shots per evaluation.

    Attributes:
        condition: With the mitigation.
        change: Difference of the mean squares, negative is better.
        p_value: Adjusted by Holm over the family of all comparisons.
    """

    condition: Key
    change: float
    p_value: float

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `no difference seen`."""
        if self.p_value >= ALPHA:
            return "no difference seen"
        return "better" if self.change < 0 else "worse"


def compare_methods(squares: Mapping[Key, FloatArray]) -> list[Comparison]:
    """Compare every mitigation with none on the same device, at the reference shots and exactly.

    Args:
        squares: Condition to squared errors (S, N), rows and columns the same for all.
    """
    chosen = [
        key for key in squares if key.method != "none" and key.shots in (REFERENCE_SHOTS, None)
    ]
    if not chosen:
        return []
    found = paired_difference(
        np.array([squares[key] for key in chosen]),
        np.array([squares[key._replace(method="none")] for key in chosen]),
    )
    adjusted = holm(found.p_value)
    return [
        Comparison(key, float(change), float(p_value))
        for key, change, p_value in zip(chosen, found.value, adjusted, strict=True)
    ]


def best_in_words(
    device: str,
    comparisons: Sequence[Comparison],
    squares: Mapping[Key, FloatArray],
    estimates: Mapping[Key, Estimate],
    form: str = "{:.3f}",
) -> str:
    """Which mitigation helps a device at the reference shots, and which one harms."""
    here = [c for c in comparisons if c.condition[::2] == (device, REFERENCE_SHOTS)]
    if not here:
        return "no mitigation fits the device"
    helpful = [c for c in here if c.verdict == "better"]
    best = min(helpful or here, key=lambda c: c.change)
    name, plain = title(best.condition.method), squares[best.condition._replace(method="none")]
    worse = [title(c.condition.method) for c in here if c.verdict == "worse"]
    harm = f", and {' and '.join(worse)} makes it worse" if worse else ""
    if helpful:
        share = 1 - float(np.sqrt(squares[best.condition].mean() / plain.mean()))
        value = shown(estimates[best.condition], form)
        return f"{name} lowers this by {share:.0%}, to {value} ({_p(best.p_value)}){harm}"
    units = units_of(squares[best.condition] - plain)
    told = nothing_seen(
        f"between {name} and none in the mean square",
        units.sd,
        MATTERS * float(plain.mean()),
        units.have,
        units.name,
    )
    return f"mitigation does not lower it{harm}: {told[0].lower()}{told[1:].rstrip('.')}"


def _p(p_value: float) -> str:
    return "Holm p < 0.001" if p_value < 1e-3 else f"Holm p = {p_value:.3f}"
