"""Mitigation judged on the task: what a unit of return costs that it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from qhw.studies.conditions import Setting
from qhw.studies.finding import Cell, Column, Estimate, Table
from qhw.studies.gathered import Gathered
from qhw.studies.prices import (
    ASSUMED,
    PICTURES,
    calibration_seconds,
    dollars,
    picture_seconds,
    quoted,
)
from qhw.studies.statistics import Bootstrap, holm, paired_difference, shown

if TYPE_CHECKING:
    from qhw.backends.mitigation.method import MethodName

METHODS: tuple[MethodName, ...] = ("none", "readout", "affine", "zne")
"""Compared at the same shots per circuit; the first is what the others are to improve."""
ALPHA = 0.05
SHOTS = 1024
PLACES = 9
"""Seconds are rounded to so many, so that a method that costs nothing costs 0."""
UNIT = 0.01
"""Return that a price is told for."""


def recovery_table(rows: Sequence[Gathered]) -> Table:
    """Return recovered by each method, and its price."""
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        methods = _playable(row)
        if not methods:
            continue
        recovered = _recovered(row, methods)
        adjusted = holm(recovered.p_value)
        for k, method in enumerate(methods):
            told = (recovered.estimate(k), float(adjusted[k]))
            cells.append((row.group.name, method, *told, *_prices(row, method, told[0])))
    return Table(
        id="mitigation",
        title=f"What mitigation gives back, at {SHOTS} shots per circuit",
        columns=(
            Column(name="controller"),
            Column(name="mitigation"),
            Column(name="return recovered", digits=4),
            Column(name="p (Holm)", digits=3),
            Column(name="once", unit="QPU s", digits=1),
            Column(name="per picture", unit="QPU s", digits=2),
            Column(name="per picture", unit="$", digits=2),
            Column(name=f"per {UNIT:g} recovered", unit="$", digits=2),
        ),
        rows=tuple(cells),
        reading=(
            "Recovered: return with the method minus return without, both with shots, on the same "
            "latents. Prices are what the method adds. The last column, dollars per picture for "
            f"{UNIT:g} of return, is empty where nothing is recovered that can be told from "
            "chance: then the price buys no return."
        ),
    )


def recovery_sentence(row: Gathered) -> str:
    """Which methods give return back, and at what price; empty if none could be played."""
    methods = _playable(row)
    if not methods:
        return ""
    recovered = _recovered(row, methods)
    adjusted = holm(recovered.p_value)
    helped = [k for k in range(len(methods)) if recovered.value[k] > 0 and adjusted[k] < ALPHA]
    if not helped:
        return (
            f"At {SHOTS} shots no mitigation gives back return that can be told from chance, so "
            "none is worth its price here."
        )
    told = [
        f"{methods[k]} {shown(recovered.estimate(k), '{:+.3f}')} "
        f"({_price_words(_prices(row, methods[k], recovered.estimate(k)))})"
        for k in helped
    ]
    return f"At {SHOTS} shots mitigation gives back return: {', '.join(told)}."


def _price_words(prices: _Prices) -> str:
    if prices.dollars == 0:
        once = f" after {prices.once:.0f} QPU s once" if prices.once else ""
        return f"at no price per picture{once}"
    per_unit = "" if prices.per_unit is None else f", ${prices.per_unit.value:.2f} per {UNIT:g}"
    return f"${prices.dollars:.2f} more per picture{per_unit}"


def recovery_notes(rows: Sequence[Gathered]) -> list[str]:
    """What the prices assume."""
    device = rows[0].scope.device
    return [
        f"{ASSUMED} Read-out errors as published; an affine map is fitted once per calibration of "
        f"{device} and counts in 'once', not per picture; {PICTURES} pictures share a job's two "
        "seconds."
    ]


def _playable(row: Gathered) -> list[MethodName]:
    """Methods that fit the device, without `none`."""
    return [name for name in METHODS[1:] if not row.refusal(_sampled(row, name))]


def _sampled(row: Gathered, method: MethodName) -> Setting:
    """What a method is judged on."""
    return Setting(row.scope.device, shots=SHOTS, mitigation=method)


def _recovered(row: Gathered, methods: Sequence[MethodName]) -> Bootstrap:
    """Paired differences (K,) to no mitigation."""
    returns = row.returns([_sampled(row, name) for name in methods])
    plain = row.returns([_sampled(row, "none")] * len(methods))
    return paired_difference(returns, plain)


class _Prices(NamedTuple):
    """What a method adds.

    Attributes:
        once: QPU seconds per calibration of the device.
        seconds: QPU seconds per picture.
        dollars: Per picture.
        per_unit: Dollars per picture for `UNIT` of return; None where the interval does not exclude
            that nothing is recovered.
    """

    once: float
    seconds: float
    dollars: float
    per_unit: Estimate | None


def _prices(row: Gathered, method: MethodName, recovered: Estimate) -> _Prices:
    config = row.group.runs[0].config
    quote, plain = quoted(config, SHOTS, method), quoted(config, SHOTS)
    more = round(picture_seconds(quote) - picture_seconds(plain), PLACES)
    price = dollars(more)
    return _Prices(calibration_seconds(quote), more, price, _per_unit(price, recovered))


def _per_unit(price: float, recovered: Estimate) -> Estimate | None:
    if not recovered.low > 0:
        return None
    ends = (price * UNIT / part for part in (recovered.value, recovered.high, recovered.low))
    value, low, high = ends
    return Estimate(value=value, low=low, high=high)
