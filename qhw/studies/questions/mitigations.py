"""Which mitigation brings the features, or the actions, nearer to the ideal ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qhw.studies.finding import Cell, Estimate, Table
from qhw.studies.measured.noisy_features import Key
from qhw.studies.names import mitigation_title
from qhw.studies.questions.error_by_shots import REFERENCE_SHOTS
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.intervals import shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.store import FloatArray

MATTERS = 0.1
"""A change of a mean square by this share would matter: 5 % of its root."""
BETTER, WORSE, UNSEEN = "better", "worse", "no difference seen"


@dataclass(frozen=True)
class Comparison:
    """A mitigation against none, at equal shots per evaluation.

    Attributes:
        condition: With the mitigation.
        change: How the mean square moves, as a share of it without mitigation; negative is better.
        p_value: Adjusted by Holm over the family of all comparisons.
    """

    condition: Key
    change: float
    p_value: float

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `no difference seen`."""
        if self.p_value >= ALPHA:
            return UNSEEN
        return BETTER if self.change < 0 else WORSE


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
    found = hierarchical_bootstrap(np.array([_change(squares, key) for key in chosen]))
    adjusted = holm(found.p_value)
    return [
        Comparison(key, float(change), float(p_value))
        for key, change, p_value in zip(chosen, found.value, adjusted, strict=True)
    ]


def relative_change(squares: FloatArray, plain: FloatArray) -> FloatArray:
    """Changes (S, N) of squares, each controller's in units of its own mean without the change.

    Controllers differ in the size of their errors far more than in what a method makes of them:
    affine calibration took 99 % of the mean square from each of three, and yet, not divided, Holm's
    p was .1.
    """
    unit = plain.mean(axis=1, keepdims=True)
    changes: FloatArray = np.divide(squares - plain, unit, out=np.zeros_like(plain), where=unit > 0)
    return changes


def _change(squares: Mapping[Key, FloatArray], key: Key) -> FloatArray:
    return relative_change(squares[key], squares[key._replace(method="none")])


def best_in_words(
    device: str,
    comparisons: Sequence[Comparison],
    estimates: Mapping[Key, Estimate],
) -> str:
    """Which mitigation helps a device at the reference shots, and which ones harm."""
    found = _by_verdict(device, comparisons)
    if not any(found.values()):
        return "no mitigation fits the device"
    harm = " and ".join(mitigation_title(each.condition.method) for each in found[WORSE])
    if harm:
        harm = f", and {harm} {'makes' if len(found[WORSE]) == 1 else 'make'} it worse"
    if found[BETTER]:
        best = found[BETTER][0]
        p_value = "< 0.001" if best.p_value < 1e-3 else f"= {best.p_value:.3f}"
        lowered = f"{mitigation_title(best.condition.method)} lowers it to "
        return f"{lowered}{shown(estimates[best.condition])} (Holm p {p_value}){harm}"
    return f"mitigation {'is not seen to' if found[UNSEEN] else 'does not'} lower it{harm}"


def null_notes(
    devices: Sequence[str], comparisons: Sequence[Comparison], squares: Mapping[Key, FloatArray]
) -> list[str]:
    """For each device that nothing is seen to help, the sample that would have seen something."""
    by_device = [_by_verdict(device, comparisons) for device in devices]
    return [
        _nothing(found[UNSEEN][0], squares, len(comparisons))
        for found in by_device
        if found[UNSEEN] and not found[BETTER]
    ]


def _by_verdict(device: str, comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """A device's comparisons at the reference shots, the most helpful first."""
    here = [c for c in comparisons if c.condition[::2] == (device, REFERENCE_SHOTS)]
    ordered = sorted(here, key=lambda c: c.change)
    return {kind: [c for c in ordered if c.verdict == kind] for kind in (BETTER, WORSE, UNSEEN)}


def _nothing(unseen: Comparison, squares: Mapping[Key, FloatArray], family: int) -> str:
    """A null result; the mean square without mitigation is the unit."""
    units = units_of(_change(squares, unseen.condition))
    key = unseen.condition
    pair = f"{mitigation_title(key.method)} and no mitigation at {key.shots} shots on {key.device}"
    what = f"between the mean squared errors of {pair}"
    alpha = ALPHA / family
    found = hierarchical_bootstrap(_change(squares, key)).estimate_at(alpha)
    return nothing_seen(what, units, MATTERS, found=found, alpha=alpha, form="{:.0%}")


def comparison_table(
    name: str, measure: str, comparisons: Sequence[Comparison], estimates: Mapping[Key, Estimate]
) -> Table:
    """Every comparison of the family.

    Args:
        name: The study's, the start of the table's identifier.
        measure: What the estimates are, such as `RMSE`.
        comparisons: In order.
        estimates: Of every condition.
    """
    rows: list[tuple[Cell, ...]] = []
    for each in comparisons:
        key = each.condition
        plain = estimates[key._replace(method="none")]
        rows.append((*key.labels, plain, estimates[key], each.p_value, each.verdict))
    return Table.of(
        f"{name}_mitigation",
        f"Mitigation against none, {measure}",
        ["device", "mitigation", "shots", ("without", 4), ("with", 4), ("p (Holm)", 4), "verdict"],
        rows,
        (
            "Paired by state; p-values are of the change of each controller's mean square, as a "
            f"share of it without mitigation, adjusted over all {len(rows)} comparisons here."
        ),
    )
