"""Two reports side by side: what they are of, their verdicts, and where their numbers differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from qhw.reports.results import Number, Results
from qhw.studies.finding import Estimate
from qhw.studies.statistics.holm import ALPHA, holm

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Pair:
    """Something that both reports tell.

    Attributes:
        title: What it is.
        one: As report A tells it.
        other: As report B does.
    """

    title: str
    one: str
    other: str


@dataclass(frozen=True)
class Difference:
    """A number that both reports have with an interval.

    Attributes:
        study: Whose.
        table: The table.
        row: The row.
        column: The column.
        one: Report A's.
        other: Report B's.
        change: B minus A, its interval as if both were independent.
        p_value: That there is none, adjusted by Holm over all differences of the comparison.
    """

    study: str
    table: str
    row: str
    column: str
    one: Estimate
    other: Estimate
    change: Estimate
    p_value: float

    @property
    def apart(self) -> bool:
        """Whether chance does not explain it."""
        return self.p_value < ALPHA


@dataclass(frozen=True)
class ReportComparison:
    """What `qhw report compare` tells.

    Attributes:
        facts: Device, day, version, seeds.
        verdict: The six lines.
        changes: B minus A of the verdict's numbers, by line, where both have one.
        differences: Of all numbers that both have with an interval, the most certain first.
    """

    facts: tuple[Pair, ...]
    verdict: tuple[Pair, ...]
    changes: dict[str, Estimate]
    differences: tuple[Difference, ...]


def compare_reports(one: Results, other: Results) -> ReportComparison:
    """Lay two reports side by side."""
    a, b = one.made, other.made
    facts = (
        Pair("device", a.device, b.device),
        Pair("measured", a.acquired, b.acquired),
        Pair("qhw", a.qhw, b.qhw),
        Pair("commit", a.commit, b.commit),
        Pair("training seeds", str(a.seeds), str(b.seeds)),
    )
    lines = {line.line: line for line in other.verdict}
    pairs = [(line, lines[line.line]) for line in one.verdict if line.line in lines]
    changes = {
        left.title: change(left.estimate, right.estimate)
        for left, right in pairs
        if left.estimate and right.estimate and left.unit == right.unit
    }
    verdict = tuple(
        Pair(
            left.title, f"{left.number} {left.unit}".strip(), f"{right.number} {right.unit}".strip()
        )
        for left, right in pairs
    )
    return ReportComparison(facts, verdict, changes, _differences(one, other))


def change(one: Estimate, other: Estimate) -> Estimate:
    """Other minus one; lengths of independent intervals add as squares, each side its own."""
    value = other.value - one.value
    down = math.hypot(other.value - other.low, one.high - one.value)
    up = math.hypot(other.high - other.value, one.value - one.low)
    return Estimate(value=value, low=value - down, high=value + up)


def _differences(one: Results, other: Results) -> tuple[Difference, ...]:
    there = {number.key: number for number in other.numbers}
    pairs = [(number, there[number.key]) for number in one.numbers if number.key in there]
    known = [
        (left, left.estimate, right.estimate)
        for left, right in pairs
        if left.estimate and right.estimate and not left.table.endswith("_numbers")
    ]
    if not known:
        return ()
    changes = [change(left, right) for _, left, right in known]
    adjusted = holm([_p_value(each) for each in changes])
    found = [
        _difference(number, left, right, moved, float(p))
        for (number, left, right), moved, p in zip(known, changes, adjusted, strict=True)
    ]
    return tuple(sorted(found, key=lambda each: each.p_value))


def _difference(
    number: Number, one: Estimate, other: Estimate, moved: Estimate, p_value: float
) -> Difference:
    return Difference(
        number.study, number.table, number.row, number.column, one, other, moved, p_value
    )


def _p_value(moved: Estimate) -> float:
    """Two-sided, of a normal whose 95 % interval reaches as far towards 0 as this one's."""
    reach = moved.value - moved.low if moved.value > 0 else moved.high - moved.value
    if moved.value == 0:
        return 1.0
    if reach == 0:
        return 0.0
    return 2 * NormalDist().cdf(-abs(moved.value) / (reach / Z))
