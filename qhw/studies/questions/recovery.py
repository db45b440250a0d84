"""Mitigation judged on the task: what a unit of return costs that it gives back.

Every circuit has the same shots, so zero-noise extrapolation, which runs two, costs twice as much.
What else that money would buy is judged beside it: twice the shots, and no mitigation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qhw.studies.finding import Cell, Estimate, Table, Verdict
from qhw.studies.measured.conditions import NOISELESS, Played, Setting
from qhw.studies.measured.seed_rows import SeedRows
from qhw.studies.questions.contrasts import Contrast, judged_words
from qhw.studies.questions.prices import (
    ASSUMED,
    PICTURES,
    calibration_seconds,
    dollars,
    picture_seconds,
    quoted,
)
from qhw.studies.questions.remedies import MORE_SHOTS, SHOTS, plain, remedies
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.intervals import shown
from qhw.studies.statistics.power import nothing_seen, sample_size, units_of
from qhw.studies.statistics.shares import share_of
from qhw.studies.store import FloatArray

PLACES = 9
"""Seconds are rounded to so many, so that a method that costs nothing costs 0."""
UNIT = 0.01
"""Return that a price is told for."""
MATTERS = 0.1
"""Share of the noiseless gain over the best constant that would be worth seeing."""
WORTH = "{:.2g}, a tenth of the gain,"


class Recovered(NamedTuple):
    """What remedies give back to one kind of controller.

    Attributes:
        settings: By name; those that could be played, K of them.
        differences: (K, S, N) return with the remedy minus that without, pair by pair.
        found: (K,) their means.
        adjusted: (K,) p-values after Holm.
        gains: (S, N) noiseless gain over the best constant, which says what is large.
    """

    settings: dict[str, Setting]
    differences: FloatArray
    found: Bootstrap
    adjusted: FloatArray
    gains: FloatArray

    @property
    def gain(self) -> float:
        """Mean noiseless gain over the best constant."""
        return float(self.gains.mean())

    @property
    def alpha(self) -> float:
        """Of one comparison of the family, as strict as Holm is to the first."""
        return ALPHA / len(self.settings)

    def certain(self, k: int) -> bool:
        """Whether a difference can be told from chance."""
        return bool(self.adjusted[k] < ALPHA)


def recover(row: SeedRows, constant: Played) -> Recovered:
    """Compare all remedies that fit the device; twice the shots always does."""
    device = row.scope.device
    settings = {name: each for name, each in remedies(device).items() if not row.refusal(each)}
    [without] = row.returns([plain(device)])
    differences = row.returns(list(settings.values())) - without
    found = hierarchical_bootstrap(differences)
    gains = row.returns([NOISELESS])[0] - constant.returns
    return Recovered(settings, differences, found, holm(found.p_value), gains)


def recovery_table(rows: Sequence[SeedRows], recovered: Sequence[Recovered]) -> Table:
    """Return recovered by each remedy, and its price."""
    return Table.of(
        "mitigation",
        f"What mitigation gives back, at {SHOTS} shots per circuit",
        [
            "controller",
            "remedy",
            ("return recovered", 4),
            ("p (Holm)", 3),
            ("80 % power takes", 0),
            ("once", 1, "QPU s"),
            ("per picture", 2, "QPU s"),
            ("per picture", 2, "$"),
            (f"per {UNIT:g} recovered", 2, "$"),
        ],
        tuple(
            (row.group.name, name, *_cells(row, each, k))
            for row, each in zip(rows, recovered, strict=True)
            for k, name in enumerate(each.settings)
        ),
        (
            "Recovered: return with the remedy minus return without, both with shots, on the same "
            "latents. 80 % power: training seeds (latents, where there is one seed) that it takes "
            "to see a tenth of the noiseless gain. Prices are what the remedy adds; zne runs two "
            f"circuits. The last column, dollars per picture for {UNIT:g} of return, holds a dash "
            "where nothing is recovered that can be told from chance."
        ),
    )


def recovery_sentence(row: SeedRows, recovered: Recovered) -> str:
    """What gives return back, or takes it, how much, and at what price."""
    changes = [
        f"{name} {_size(recovered, k)}, {_price_words(_prices(row, recovered, k))}; "
        f"{_judged(row, recovered.settings[name])}"
        for k, name in enumerate(recovered.settings)
        if recovered.certain(k)
    ]
    if not changes:
        return f"At {SHOTS} shots no mitigation is seen to change the return."
    return f"At {SHOTS} shots mitigation changes the return (Holm): {'. '.join(changes)}."


def recovery_verdict(row: SeedRows, recovered: Recovered) -> Verdict:
    """Which remedy to take: of those that give return back, the one that asks least for it."""
    helpful = [
        k
        for k in range(len(recovered.settings))
        if recovered.certain(k) and recovered.found.low[k] > 0
    ]
    if not helpful:
        return _take_none(row, recovered)
    cheapest = min(helpful, key=lambda k: _burden(row, recovered, k))
    change, name = recovered.found.estimate(cheapest), list(recovered.settings)[cheapest]
    return Verdict(
        line="mitigation",
        number=f"{name}, {shown(change, '{:+.4f}')}",
        unit="of return",
        words=(
            f"On {row.scope.device} at {SHOTS} shots per circuit, "
            f"{_price_words(_prices(row, recovered, cheapest))}: the cheapest per return of what "
            f"is given back beyond chance (Holm; {len(helpful)} of {len(recovered.settings)} do)."
        ),
        estimate=change,
    )


def _take_none(row: SeedRows, recovered: Recovered) -> Verdict:
    best = int(np.argmax(recovered.found.value))
    change, name = recovered.found.estimate(best), list(recovered.settings)[best]
    return Verdict(
        line="mitigation",
        number="none",
        words=(
            f"On {row.scope.device} at {SHOTS} shots per circuit nothing gives return back beyond "
            f"chance (Holm): {name} comes nearest with {shown(change, '{:+.4f}')}, "
            f"{_price_words(_prices(row, recovered, best))}."
        ),
    )


def _burden(row: SeedRows, recovered: Recovered, k: int) -> tuple[float, float, float]:
    """Dollars per picture for a unit of return; then QPU seconds once; then little return."""
    prices, change = _prices(row, recovered, k), float(recovered.found.value[k])
    return prices.dollars / change, prices.once / change, -change


def _judged(row: SeedRows, remedy: Setting) -> str:
    return judged_words(row, Contrast("", remedy, plain(row.scope.device)))


def recovery_notes(rows: Sequence[SeedRows], recovered: Sequence[Recovered]) -> list[str]:
    """What is seen at equal price, where nothing is seen, and what the prices assume."""
    device = rows[0].scope.device
    return [
        *(note for row, each in zip(rows, recovered, strict=True) for note in _null(row, each)),
        *(note for row in rows for note in _at_equal_price(row)),
        f"{ASSUMED} Read-out errors as published; an affine map is fitted once per calibration of "
        f"{device} and counts in 'once', not per picture; {PICTURES} pictures share a job's two "
        "seconds.",
    ]


def _cells(row: SeedRows, recovered: Recovered, k: int) -> tuple[Cell, ...]:
    sd = units_of(recovered.differences[k]).sd
    worth = MATTERS * recovered.gain
    needed = float(sample_size(sd, worth, alpha=recovered.alpha)) if recovered.gain else None
    prices = _prices(row, recovered, k)
    return recovered.found.estimate(k), float(recovered.adjusted[k]), needed, *prices


def _size(recovered: Recovered, k: int) -> str:
    """A change of return, and how large that is."""
    change = shown(recovered.found.estimate(k), "{:+.4f}")
    share = share_of(recovered.differences[k], recovered.gains)
    if share is None:
        return change
    return f"{change}, {shown(share, '{:+z.0%}')} of the noiseless gain"


def _price_words(prices: _Prices) -> str:
    if prices.dollars == 0:
        once = f" after {prices.once:.0f} QPU s once" if prices.once else ""
        return f"at no price per picture{once}"
    per_unit = "" if prices.per_unit is None else f" (${prices.per_unit.value:.2f} per {UNIT:g})"
    return f"at ${prices.dollars:.2f} more per picture{per_unit}"


def _null(row: SeedRows, recovered: Recovered) -> list[str]:
    """The remedy about which least is known, of those that nothing is seen of."""
    spreads = {
        name: units_of(recovered.differences[k])
        for k, name in enumerate(recovered.settings)
        if not recovered.certain(k)
    }
    if not spreads or not recovered.gain:
        return []
    name = max(spreads, key=lambda each: spreads[each].sd)
    what = f"between {name} and no mitigation ({row.group.name})"
    worth = MATTERS * abs(recovered.gain)
    found = recovered.found.estimate_at(recovered.alpha, list(recovered.settings).index(name))
    return [
        nothing_seen(what, spreads[name], worth, found=found, alpha=recovered.alpha, form=WORTH)
    ]


def _at_equal_price(row: SeedRows) -> list[str]:
    """Extrapolation against as many shots without it."""
    tried = remedies(row.scope.device)
    if row.refusal(tried["zne"]):
        return []
    extrapolated, sampled = row.returns([tried["zne"], tried[MORE_SHOTS]])
    difference = hierarchical_bootstrap(extrapolated - sampled).estimate()
    return [
        f"At equal price, zne minus twice the shots ({row.group.name}): "
        f"{shown(difference, '{:+.4f}')} of return."
    ]


class _Prices(NamedTuple):
    """What a remedy adds.

    Attributes:
        once: QPU seconds per calibration of the device.
        seconds: QPU seconds per picture.
        dollars: Per picture.
        per_unit: Dollars per picture for `UNIT` of return; None where it cannot be told from chance
            that something is recovered.
    """

    once: float
    seconds: float
    dollars: float
    per_unit: Estimate | None


def _prices(row: SeedRows, recovered: Recovered, k: int) -> _Prices:
    config, setting = row.group.runs[0].config, list(recovered.settings.values())[k]
    quote = quoted(config, setting.shots or SHOTS, setting.mitigation)
    more = round(picture_seconds(quote) - picture_seconds(quoted(config, SHOTS)), PLACES)
    price = dollars(more)
    change, per_unit = recovered.found.estimate(k), None
    if recovered.certain(k) and change.low > 0:
        ends = (price * UNIT / part for part in (change.value, change.high, change.low))
        value, low, high = ends
        per_unit = Estimate(value=value, low=low, high=high)
    return _Prices(calibration_seconds(quote), more, price, per_unit)
