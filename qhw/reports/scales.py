"""Where the values of an axis lie: numbers at their value, categories side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qhw.reports.numbers import number
from qhw.studies.finding import Axis, Figure

Value = float | str


@dataclass(frozen=True)
class Scale:
    """The x axis of a figure.

    Attributes:
        categories: In their order; empty for an axis of numbers.
        values: Distinct numbers of an axis of numbers, ascending.
    """

    categories: tuple[str, ...] = ()
    values: tuple[float, ...] = ()

    def place(self, value: Value) -> float:
        """Position of a value; a number between two categories that are numbers lies between."""
        if not self.categories:
            return float(value)
        index = _index(value, self.categories)
        if index is not None:
            return float(index)
        known = sorted(
            (each, float(place))
            for place, name in enumerate(self.categories)
            if (each := _as_number(name)) is not None
        )
        if not known:
            raise ValueError(f"{value} is none of the categories {self.categories}")
        numbers, places = zip(*known, strict=True)
        return float(np.interp(float(value), numbers, places))


def scale_of(figure: Figure) -> Scale:
    """The scale of a figure's x axis; one word among the values makes all of them categories."""
    values = [value for series in figure.series for value in series.x]
    if figure.x.order or figure.kind != "lines" or any(isinstance(v, str) for v in values):
        return Scale(categories=_ordered(figure.x, values))
    return Scale(values=tuple(sorted({float(value) for value in values})))


def axis_label(axis: Axis) -> str:
    """Label and unit, such as `QPU time (s)`."""
    return f"{axis.label} ({axis.unit})" if axis.unit else axis.label


def _ordered(axis: Axis, values: Iterable[Value]) -> tuple[str, ...]:
    """The axis' own order; what it does not list comes after it, as it appears."""
    names = list(axis.order)
    for value in values:
        if _index(value, names) is None:
            names.append(value if isinstance(value, str) else number(value))
    return tuple(names)


def _index(value: Value, names: Sequence[str]) -> int | None:
    """Position of a value among names; 1024 is the category `1024` and `1,024`."""
    if isinstance(value, str):
        return names.index(value) if value in names else None
    alike = (place for place, name in enumerate(names) if _as_number(name) == value)
    return next(alike, None)


def _as_number(name: str) -> float | None:
    try:
        return float(name.replace(",", ""))
    except ValueError:
        return None
