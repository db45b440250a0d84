"""What a study's arms came to: training seeds are the unit, latents are shared.

Differences to the reference arm are paired by seed and by latent, with two-level intervals
(`qhw.studies.statistics.bootstrap`), adjusted by Holm's method as one family. Where nothing is
seen, it is said whether the interval lies within a margin that was set beforehand, and how many
seeds would see a difference as large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qhw.evaluation.eyes import HELD_OUT
from qhw.evaluation.judges import Outcome
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.power import sample_size
from qhw.studies.trained.catalogue import TrainedStudy

MARGIN = 0.01
"""Return within which two kinds of controller are called equal: a fifth of what the rule of two
numbers is worth over the best constant, and about what training seeds scatter by."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedArm:
    """What an arm's trainings came to.

    Attributes:
        outcomes: In the order of the seeds.
        parameters: That are trained or drawn.
        two_qubit_gates: Of the circuit as it is run; None where there is none or no device.
    """

    outcomes: Sequence[Outcome]
    parameters: int
    two_qubit_gates: int | None


TrainedArms = Mapping[str, TrainedArm]
"""By name; those of which nothing is finished are left out."""


@dataclass(frozen=True)
class Row:
    """One arm.

    Attributes:
        arm: Its name.
        seeds: How many trainings.
        parameters: That are trained or drawn.
        two_qubit_gates: Of the circuit as it is run; None where there is none or no device.
        mean_return: Over seeds and latents.
        interquartile_mean: Of the seeds' mean returns.
        accuracy: Held-out judge to the mean share of pictures it names rightly.
        distance: Held-out judge to the mean Frechet distance to real pictures.
    """

    arm: str
    seeds: int
    parameters: int
    two_qubit_gates: int | None
    mean_return: float
    interquartile_mean: float
    accuracy: Mapping[str, float]
    distance: Mapping[str, float]


@dataclass(frozen=True)
class Difference:
    """An arm's return minus the reference's.

    Attributes:
        arm: Its name.
        seeds: Pairs of trainings.
        value: The mean.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p_value: Two-sided, adjusted.
        improvement: Share of pairs of seeds in which the arm returns more; ties count half.
        needed: Seeds that would see the margin with 80 % power; None with fewer than two.
    """

    arm: str
    seeds: int
    value: float
    low: float
    high: float
    p_value: float
    improvement: float
    needed: int | None

    @property
    def verdict(self) -> str:
        """In words."""
        if self.seeds < 2:
            return "one seed says nothing of the kind"
        if self.p_value < ALPHA:
            return "returns more" if self.value > 0 else "returns less"
        if self.low > -MARGIN and self.high < MARGIN:
            return f"as good, within {MARGIN:g}"
        return f"not told apart; {self.needed} seeds would tell {MARGIN:g}"


def rows_of(arms: TrainedArms) -> list[Row]:
    """Every arm's own figures."""
    return [_row(name, arm) for name, arm in arms.items()]


def differences(study: TrainedStudy, arms: TrainedArms) -> list[Difference]:
    """Every other arm against the reference, over the seeds that both have."""
    if study.reference not in arms:
        return []
    reference = arms[study.reference].outcomes
    found = [
        _difference(name, arm.outcomes, reference)
        for name, arm in arms.items()
        if name != study.reference
    ]
    adjusted = holm([each.p_value for each in found])
    return [
        Difference(**{**vars(each), "p_value": float(p)})
        for each, p in zip(found, adjusted, strict=True)
    ]


def record(rows: Sequence[Row], found: Sequence[Difference]) -> dict[str, Any]:
    """All of it as plain JSON."""
    return {
        "arms": [vars(row) for row in rows],
        "differences": [{**vars(each), "verdict": each.verdict} for each in found],
        "margin": MARGIN,
    }


def _row(name: str, arm: TrainedArm) -> Row:
    means = np.array([outcome.returns.mean() for outcome in arm.outcomes])
    scored = {eye: [outcome.scores[eye].arm for outcome in arm.outcomes] for eye in HELD_OUT}
    return Row(
        name,
        len(arm.outcomes),
        arm.parameters,
        arm.two_qubit_gates,
        float(means.mean()),
        float(stats.trim_mean(means, 0.25)),
        {eye: float(np.mean([a.correct.mean() for a in arms])) for eye, arms in scored.items()},
        {eye: float(np.mean([a.distance for a in arms])) for eye, arms in scored.items()},
    )


def _difference(arm: str, ours: Sequence[Outcome], reference: Sequence[Outcome]) -> Difference:
    seeds = min(len(ours), len(reference))
    one, other = (np.stack([o.returns for o in each[:seeds]]) for each in (ours, reference))
    paired = one - other
    result = hierarchical_bootstrap(paired)
    means = paired.mean(axis=1)
    spread = float(means.std(ddof=1)) if seeds > 1 else None
    return Difference(
        arm,
        seeds,
        float(result.value),
        float(result.low),
        float(result.high),
        float(result.p_value),
        _improvement(one.mean(axis=1), other.mean(axis=1)),
        None if spread is None else sample_size(spread, MARGIN),
    )


def _improvement(ours: FloatArray, theirs: FloatArray) -> float:
    """Agarwal et al., arXiv 2108.13264."""
    ahead = ours[:, None] - theirs[None, :]
    return float(((ahead > 0) + 0.5 * (ahead == 0)).mean())
