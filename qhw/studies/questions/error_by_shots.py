"""Figures of an error by shots, with a line per mitigation."""

from __future__ import annotations

from collections.abc import Mapping

from qhw.studies.finding import Axis, Estimate, Figure, Reference, Series
from qhw.studies.measured.noisy_features import METHODS, Key
from qhw.studies.names import identifier, mitigation_title, shots_label

REFERENCE_SHOTS = 1024
"""At which the sentences compare mitigations."""


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
        label: Name of the vertical axis.
        unit: Unit of the vertical axis.
        reading: How to read it, one sentence.
        reference: A line across.
    """
    shots = list(dict.fromkeys(key.shots for key in estimates))
    labels = [shots_label(number) for number in shots]
    lines = {
        mitigation_title(method): [estimates[Key(device, method, number)] for number in shots]
        for method in METHODS
        if all(Key(device, method, number) in estimates for number in shots)
    }
    ends = "; ".join(
        f"{name} {points[0].value:.3g} to {points[-1].value:.3g}" for name, points in lines.items()
    )
    return Figure(
        id=f"{name}_{identifier(device)}",
        title=f"{heading}, {device}",
        kind="lines",
        x=Axis(label="shots per evaluation", order=tuple(labels)),
        y=Axis(label=label, unit=unit, log=True),
        series=tuple(Series.of(name, labels, points) for name, points in lines.items()),
        references=(reference,) if reference else (),
        reading=reading,
        alternative=f"{label} on {device}, from {labels[0]} shots to exact values: {ends}.",
    )
