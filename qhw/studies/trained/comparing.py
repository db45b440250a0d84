"""What a study's arms came to: training seeds are the unit, latents are shared.

Differences to the reference arm are paired by seed and by latent, with two-level intervals
(`qhw.studies.statistics.bootstrap`), adjusted by Holm's method as one family. Where nothing is
seen, it is said whether the interval lies within a margin that was set beforehand, and how many
seeds would see a difference as large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from qhw.evaluation.eyes import EYES, HELD_OUT, PROXY
from qhw.evaluation.judges import Outcome
from qhw.studies.statistics.across_seeds import interquartile_mean, probability_of_improvement
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.power import sample_size
from qhw.studies.trained.catalogue import TrainedStudy
from qhw.studies.trained.circuit_facts import CircuitFacts
from qhw.studies.trained.measures import MEASURES

MARGIN = 0.01
"""Return within which two kinds of controller are called equal: a fifth of what the rule of two
numbers is worth over the best constant, and about what training seeds scatter by. That is under the
default reward; others are on other scales. Of accuracies it is one picture in a hundred."""


@dataclass(frozen=True)
class TrainedArm:
    """What an arm's trainings came to.

    Attributes:
        outcomes: By seed, rising.
        parameters: That are trained or drawn; None of what learns nothing.
        two_qubit_gates: Of the circuit as it is run; None where there is none or no device.
        replicated: Whether its outcomes are of trainings; else all of them are one.
        circuit: What is known of its circuit; None where it runs none.
    """

    outcomes: Mapping[int, Outcome]
    parameters: int | None
    two_qubit_gates: int | None
    replicated: bool = True
    circuit: CircuitFacts | None = None


TrainedArms = Mapping[str, TrainedArm]
"""By name; those of which nothing is finished are left out."""


@dataclass(frozen=True)
class Row:
    """One arm.

    Attributes:
        arm: Its name.
        seeds: How many trainings; None of what learns nothing.
        parameters: That are trained or drawn, likewise.
        two_qubit_gates: Of the circuit as it is run; None where there is none or no device.
        mean_return: Over seeds and latents.
        by_seed: Every seed's mean return.
        interquartile_mean: Of the seeds' mean returns.
        proxy: Mean share of pictures that the proxy, which rewards, names rightly.
        accuracy: Held-out judge to the mean share of pictures it names rightly.
        distance: Held-out judge to the mean Frechet distance to real pictures.
        circuit: What is known of its circuit; None where it runs none.
    """

    arm: str
    seeds: int | None
    parameters: int | None
    two_qubit_gates: int | None
    mean_return: float
    by_seed: tuple[float, ...]
    interquartile_mean: float
    proxy: float
    accuracy: Mapping[str, float]
    distance: Mapping[str, float]
    circuit: CircuitFacts | None = None


@dataclass(frozen=True)
class Difference:
    """An arm's return, or another measure, minus the one's that it is held against.

    Attributes:
        measure: Its name in `MEASURES`.
        arm: The arm's.
        against: The other's.
        seeds: Trainings that both have.
        value: The mean.
        low: Lower end of the 95 % interval, over latents alone where there is one seed.
        high: Upper end.
        p_value: Two-sided, adjusted for the family; None with one seed, which is no replication.
        improvement: Share of pairs of seeds in which the arm has more; ties count half.
        equal: Whether the interval that Holm asks of the family's first lies within the margin.
        needed: Seeds that would see the margin with 80 % power at that level; None with one seed.
        latents_limit: Whether latents leave more uncertainty than seeds do.
    """

    measure: str
    arm: str
    against: str
    seeds: int
    value: float
    low: float
    high: float
    p_value: float | None
    improvement: float
    equal: bool
    needed: int | None
    latents_limit: bool

    @property
    def verdict(self) -> str:
        """In words."""
        if self.p_value is None or self.needed is None:
            return "one seed says nothing of the kind"
        if self.p_value < ALPHA:
            measure = MEASURES[self.measure]
            return measure.more if self.value > 0 else measure.less
        if self.equal:
            return f"as good, within {MARGIN:g}"
        if self.needed <= self.seeds and self.latents_limit:
            return f"not told apart; {MARGIN:g} takes more latents"
        if self.needed <= self.seeds:
            return f"not told apart; {MARGIN:g} would probably have been seen"
        latents = "more latents and " if self.latents_limit else ""
        return f"not told apart; {MARGIN:g} takes {latents}{self.needed} seeds"


def rows_of(arms: TrainedArms) -> list[Row]:
    """Every arm's own figures."""
    return [_row(name, arm) for name, arm in arms.items()]


def differences(study: TrainedStudy, arms: TrainedArms) -> list[Difference]:
    """Every arm against the one that it is held against, over the seeds that both have.

    An arm that has no seed in common with that one is left out.
    """
    pairs = [(name, study.reference_of(name)) for name in arms]
    shared = {
        (name, other): sorted(arms[name].outcomes.keys() & arms[other].outcomes.keys())
        for name, other in pairs
        if other != name and other in arms
    }
    replicated = sum(len(seeds) > 1 for seeds in shared.values())
    family = max(1, replicated * len(study.measures))
    found = [
        _difference((measure, *pair), seeds, arms, family)
        for measure in study.measures
        for pair, seeds in shared.items()
        if seeds
    ]
    return _adjusted(found)


def _adjusted(found: Sequence[Difference]) -> list[Difference]:
    """The same with p-values of the family; one seed's is in none."""
    p_values = [each.p_value for each in found if each.p_value is not None]
    left = iter(holm(p_values) if p_values else ())
    return [
        each if each.p_value is None else replace(each, p_value=float(next(left))) for each in found
    ]


def record(rows: Sequence[Row], found: Sequence[Difference]) -> dict[str, Any]:
    """All of it as plain JSON."""
    return {
        "arms": [asdict(row) for row in rows],
        "differences": [{**vars(each), "verdict": each.verdict} for each in found],
        "margin": MARGIN,
    }


def _row(name: str, arm: TrainedArm) -> Row:
    outcomes = list(arm.outcomes.values())[: None if arm.replicated else 1]
    means = np.array([outcome.returns.mean() for outcome in outcomes])
    scored = {eye: [outcome.scores[eye].arm for outcome in outcomes] for eye in EYES}
    accuracy = {
        eye: float(np.mean([a.correct.mean() for a in arms])) for eye, arms in scored.items()
    }
    return Row(
        name,
        len(outcomes) if arm.replicated else None,
        arm.parameters,
        arm.two_qubit_gates,
        float(means.mean()),
        tuple(means.tolist()),
        interquartile_mean(means),
        accuracy[PROXY],
        {eye: accuracy[eye] for eye in HELD_OUT},
        {eye: float(np.mean([a.distance for a in scored[eye]])) for eye in HELD_OUT},
        arm.circuit,
    )


def _difference(
    names: tuple[str, str, str], seeds: Sequence[int], arms: TrainedArms, family: int
) -> Difference:
    """Of a measure, an arm and the one that it is held against, over seeds that both have."""
    values = MEASURES[names[0]].of
    one, other = (
        np.stack([values(arms[name].outcomes[seed]) for seed in seeds]) for name in names[1:]
    )
    paired, replicated, alpha = one - other, len(seeds) > 1, ALPHA / family
    result = hierarchical_bootstrap(paired)
    wide = result.estimate_at(alpha)
    of_seeds, of_latents = paired.mean(axis=1), paired.mean(axis=0)
    spread = float(of_seeds.std(ddof=1)) if replicated else 0.0
    return Difference(
        *names,
        len(seeds),
        float(result.value),
        float(result.low),
        float(result.high),
        float(result.p_value) if replicated else None,
        probability_of_improvement(one.mean(axis=1), other.mean(axis=1)),
        replicated and wide.low > -MARGIN and wide.high < MARGIN,
        sample_size(spread, MARGIN, alpha=alpha) if replicated else None,
        bool(of_latents.std(ddof=1) / len(of_latents) ** 0.5 > spread / len(seeds) ** 0.5),
    )
