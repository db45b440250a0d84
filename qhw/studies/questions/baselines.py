"""Whether the robustness is the circuit's: the same perturbation on what has no trained circuit.

Of the default controller's 2,498 parameters 32 are quantum, so a head that does not mind what it
reads would be as robust on anything. Each kind of controller is compared with itself undisturbed:

    the trained ring     under noise; with Gaussian noise of the same RMSE on its features; with its
                         features standing still at their mean, which is what the head does alone
    a matched network    with Gaussian noise on what it reads, as large beside its spread
    an untrained ring    under noise

data/baselines/spread-RUN-UPDATE-LATENTS.npz   what a matched network reads
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from qhw.runs.directory import RunDirectory
from qhw.studies.finding import Axis, Cell, Estimate, Figure, Finding, Reference, Series, Table
from qhw.studies.measured.conditions import NOISELESS, Condition, Setting, newest_update, played
from qhw.studies.measured.exact_features import acquire_exact, exact_values, ideal_values
from qhw.studies.measured.seed_rows import SeedRows
from qhw.studies.measured.visited_states import spread_of_inputs
from qhw.studies.statistics.bootstrap import TAIL, Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.intervals import excludes, shown
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope, Study

DIGITS = 6
"""Of the numbers in a setting: what is computed twice is then played once."""
OTHER_SEED = 7_319
"""Of the bootstrap of controllers that are no pairs of the subject's."""
ABSENT = {
    "mlp_matched": "No matched network was given: `qhw train --actor mlp_matched --seed 1` trains "
    "one, and the report takes it beside the others.",
    "frozen": "No ring with an untrained circuit was given: `qhw train --gradient frozen --seed 1` "
    "trains the head of one, and the report takes it beside the others.",
}


class Baselines(Study):
    """Change of the return under one perturbation, by what is perturbed."""

    name = "baselines"
    question = "Is the robustness the circuit's, or the head's?"
    about = "what makes such controllers robust"

    def acquire(self, scope: Scope) -> None:
        """Play every controller undisturbed and disturbed."""
        from qhw.studies.measured.playing import acquire_conditions

        acquire_exact(scope, [Setting(scope.device)])
        for run in _matched(scope):
            measure = partial(_spread, run, scope.sizes.part_latents)
            what = f"what {run.name} reads"
            scope.store(self.name).acquire(_spread_file(scope, run), what, measure)
        pairs = [pair for arm in _arms(scope) for pair in arm.pairs]
        acquire_conditions(scope, [condition for pair in pairs for condition in pair])

    def analyse(self, scope: Scope) -> Finding:
        """Changes by controller and perturbation, and whose the robustness is."""
        arms = _arms(scope)
        changes = [arm.change(scope) for arm in arms]
        found = [
            hierarchical_bootstrap(change, seed=OTHER_SEED) if arm.other else
            hierarchical_bootstrap(change)
            for arm, change in zip(arms, changes, strict=True)
        ]  # fmt: skip
        by_name = dict(zip((arm.name for arm in arms), found, strict=True))
        noise, gaussian = (hierarchical_bootstrap(change) for change in changes[:2])
        kinder = hierarchical_bootstrap(changes[0] - changes[1]).estimate()
        rows = SeedRows.of_subject(scope)
        rmse, share = _sizes(scope)
        return self.finding(
            _sentence(scope.device, by_name, rmse, share),
            rows.seeds,
            figures=(_figure(arms, found),),
            tables=(_table(scope, arms, found),),
            notes=(
                rows.note,
                noise.flag,
                f"Gaussian noise is drawn anew at each step, with each output's own RMSE under "
                f"{scope.device}'s noise; a device's errors repeat, and shrink features. Device "
                f"minus Gaussian, paired: {shown(kinder, '{:+z.4f}')} of return.",
                "A network reads the standardised state; each column's noise is the same share of "
                f"its own spread, {share:.0%}, as the ring's noise is of its features'.",
                *(ABSENT[kind] for kind, runs in _companions(scope).items() if not runs),
                "Controllers of other kinds are other trainings: their differences to the ring's "
                "are not paired by seed.",
            ),
            provenance={**gaussian.facts, "device": scope.device, "RMSE": rmse, "share": share},
        )


@dataclass(frozen=True)
class _Arm:
    """One kind of controller under one perturbation.

    Attributes:
        name: For people.
        pairs: By training seed, undisturbed and disturbed.
        other: Whether the controllers are others than the subject's.
    """

    name: str
    pairs: tuple[tuple[Condition, Condition], ...]
    other: bool = False

    def change(self, scope: Scope) -> FloatArray:
        """Return disturbed minus undisturbed (S, N)."""
        rows = [
            played(scope, disturbed).returns - played(scope, plain).returns
            for plain, disturbed in self.pairs
        ]
        return np.array(rows)


NOISE = "trained ring, device's noise"
GAUSSIAN = "trained ring, Gaussian noise"
STILL = "trained ring, features at their mean"
MATCHED = "matched network, Gaussian noise"
UNTRAINED = "ring with an untrained circuit, device's noise"


def _arms(scope: Scope) -> list[_Arm]:
    """Those that can be had of the runs there are."""
    runs, noisy = SeedRows.of_subject(scope).group.runs, Setting(scope.device)
    ideal = ideal_values(scope)
    errors = np.sqrt(np.square(exact_values(scope, noisy) - ideal).mean(axis=1))
    jittered = [Setting(jitter=_rounded(row)) for row in errors]
    still = [Setting(held=_rounded(row)) for row in ideal.mean(axis=1)]
    arms = [
        _arm(scope, NOISE, runs, [noisy] * len(runs)),
        _arm(scope, GAUSSIAN, runs, jittered),
        _arm(scope, STILL, runs, still),
    ]
    _, share = _sizes(scope)
    spreads = [scope.store(Baselines.name).arrays(_spread_file(scope, run))["spread"]
               for run in _matched(scope)]  # fmt: skip
    if spreads:
        settings = [Setting(jitter=_rounded(share * spread)) for spread in spreads]
        arms.append(replace(_arm(scope, MATCHED, _matched(scope), settings), other=True))
    frozen = _companions(scope)["frozen"]
    if frozen:
        arms.append(replace(_arm(scope, UNTRAINED, frozen, [noisy] * len(frozen)), other=True))
    return arms


def _arm(
    scope: Scope, name: str, runs: Sequence[RunDirectory], settings: Sequence[Setting]
) -> _Arm:
    count = scope.sizes.part_latents
    pairs = [
        (Condition(run, NOISELESS, count), Condition(run, setting, count))
        for run, setting in zip(runs, settings, strict=True)
    ]
    return _Arm(name, tuple(pairs))


def _sizes(scope: Scope) -> tuple[float, float]:
    """RMSE of the features under the device's noise, and its share of their spread."""
    ideal = ideal_values(scope)
    error = np.square(exact_values(scope, Setting(scope.device)) - ideal).mean()
    rmse, spread = float(np.sqrt(error)), float(np.sqrt(ideal.var(axis=1).mean()))
    return rmse, rmse / spread


def _companions(scope: Scope) -> dict[str, list[RunDirectory]]:
    """Runs to compare with, by kind."""
    runs = scope.companions
    return {
        "mlp_matched": [run for run in runs if run.config.actor.kind == "mlp_matched"],
        "frozen": [run for run in runs if run.config.actor.kind == "ring"],
    }


def _matched(scope: Scope) -> list[RunDirectory]:
    return _companions(scope)["mlp_matched"]


def _spread(run: RunDirectory, count: int) -> Arrays:
    return {"spread": spread_of_inputs(run, count)}


def _spread_file(scope: Scope, run: RunDirectory) -> str:
    return f"spread-{run.id}-{newest_update(run):05d}-{scope.sizes.part_latents}.npz"


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(round(float(value), DIGITS) for value in values)


def _apart(one: Bootstrap, other: Bootstrap) -> Estimate:
    """Difference of two means whose controllers are no pairs."""
    replicates = one.replicates - other.replicates
    low, high = map(float, np.quantile(replicates, [TAIL, 1 - TAIL]))
    return Estimate(value=float(one.value - other.value), low=low, high=high)


def _sentence(device: str, found: dict[str, Bootstrap], rmse: float, share: float) -> str:
    """What each perturbation costs, and whose the robustness is."""
    costs = {name: shown(each.estimate(), "{:+z.4f}") for name, each in found.items()}
    told = (
        f"{device}'s noise moves the features by {rmse:.3f}, {share:.0%} of their spread, and "
        f"changes the trained ring's return by {costs[NOISE]}; Gaussian noise as large changes it "
        f"by {costs[GAUSSIAN]}, features that stand still by {costs[STILL]}"
    )
    if UNTRAINED in found:
        told += f"; a ring with an untrained circuit changes by {costs[UNTRAINED]} under the noise"
    if MATCHED not in found:
        return f"{told}. Without a matched network it is not told whose the robustness is."
    apart = _apart(found[GAUSSIAN], found[MATCHED])
    by = shown(apart, "{:+z.4f}")
    if not excludes(apart):
        verdict = f"no difference to the ring is seen ({by}): nothing shows it to be the circuit's"
    elif apart.value > 0:
        verdict = f"the ring loses less ({by}), so more than the head is robust"
    else:
        verdict = f"the ring loses more ({by}): its robustness is not the circuit's"
    return (
        f"{told}. A matched network without a circuit, under Gaussian noise as large, changes by "
        f"{costs[MATCHED]}; {verdict}."
    )


def _figure(arms: Sequence[_Arm], found: Sequence[Bootstrap]) -> Figure:
    names = [arm.name for arm in arms]
    return Figure(
        id="change_by_controller",
        title="What one perturbation costs, by controller",
        kind="bars",
        x=Axis(label="controller and perturbation", order=tuple(names)),
        y=Axis(label="change of the return"),
        series=(
            Series.of("disturbed minus undisturbed", names, [each.estimate() for each in found]),
        ),
        references=(Reference(name="nothing changes", value=0.0),),
        reading=(
            "Each controller against itself undisturbed, on the same latents. If the network loses "
            "no more than the ring, the robustness is not the circuit's. Bars are 95 % intervals."
        ),
        alternative="Change of the return: "
        + ", ".join(
            f"{name} {float(each.value):+.4f}" for name, each in zip(names, found, strict=True)
        )
        + ".",
    )


def _table(scope: Scope, arms: Sequence[_Arm], found: Sequence[Bootstrap]) -> Table:
    rows: list[list[Cell]] = []
    for arm, each in zip(arms, found, strict=True):
        plain = np.array([played(scope, pair[0]).returns for pair in arm.pairs])
        undisturbed = hierarchical_bootstrap(plain).estimate()
        rows.append([arm.name, float(len(arm.pairs)), undisturbed, each.estimate()])
    return Table.of(
        "baselines",
        "Change of the return under one perturbation",
        ["controller", ("training seeds", 0), ("return undisturbed", 3), ("change", 4)],
        rows,
        "Changes are paired over the same latents; intervals are 95 %, over seeds and latents.",
    )
