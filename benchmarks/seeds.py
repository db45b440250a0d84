"""Thirty training seeds of every controller, beside guidance that needs no training.

    python -m benchmarks.seeds [FOLDER] [--seeds 30]

Trains four controllers for seeds 0, 1, 2, ... in turn: the ring and the ring without entanglement
under a device's noise, the ring whose circuit is frozen at random, and the classical network of as
many parameters. Each plays the same 2,000 latents that the rule, the greedy arm and the constants
play. Resumable: runs lie in FOLDER (`runs-seeds`, which git ignores), what they came to beside this
file (`benchmarks.outcomes`), so that another machine goes on from there. The result is written
after every seed, to seeds.json and seeds.md.

Training seeds are the unit of replication. Intervals are two-level: seeds and latents are resampled
independently (`qhw.studies.statistics.bootstrap`). For Frechet distances, which are no means over
latents, the two variances are added and Student's t takes Satterthwaite's degrees of freedom. The
family of comparisons with the ring is adjusted by Holm's method. Interquartile mean and probability
of improvement are those of Agarwal et al., arXiv 2108.13264.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.outcomes import is_kept, keep, recall
from benchmarks.timing import significant, write_result
from diffusion.comparison import resample_counts
from qhw.commands.train import train_run
from qhw.config import parse_config
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.beside_constants import BesideConstants, beside_constants
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.runs.directory import RunDirectory, create_run
from qhw.studies.statistics.across_seeds import interquartile_mean, probability_of_improvement
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.holm import holm
from qhw.training.player import Player

SEEDS, LATENTS = 30, 2000
RESAMPLES = 2000
RING = "ring"
CONTROLLERS: dict[str, dict[str, Any]] = {
    RING: {},
    "ring, not entangled": {"actor": {"circuit": {"entanglement": "none"}}},
    "ring, frozen at random": {"gradient": {"rule": "frozen"}},
    "matched MLP": {"actor": {"kind": "mlp_matched"}},
}
"""What differs from the default settings, by the name in the tables."""
NO_TABLE = {"evaluation": {"latents": 20}}
"""A training ends with a table of its own, which is of no use here."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the two-sided p-value that it is 0."""

    value: float
    low: float
    high: float
    p_value: float

    @property
    def record(self) -> dict[str, float]:
        """For the result's file."""
        numbers = {"value": self.value, "low": self.low, "high": self.high, "p": self.p_value}
        return {name: significant(number) for name, number in numbers.items()}


@dataclass(frozen=True)
class HandMade:
    """What needs no training, on the same latents: arms by their names, the constant first."""

    arms: Mapping[str, Outcome]
    constants: Mapping[str, BesideConstants]


Trained = dict[str, list[Outcome]]
"""The outcomes of every controller, one per finished seed."""


def outcome_of(folder: Path, controller: str, seed: int) -> Outcome:
    """Train a controller and play it, or recall what it came to."""
    return outcome_under(folder, controller, seed, CONTROLLERS[controller])


def outcome_under(folder: Path, name: str, seed: int, changed: dict[str, Any]) -> Outcome:
    """The same for any settings: what differs from the default, kept under a name."""
    settings, file = {"seed": seed, **changed, **NO_TABLE}, file_name(name, seed)
    if not is_kept(file):
        run = trained(folder, file, settings)
        player = Player.of(run)
        paired = evaluation_latents(player.bundle, LATENTS)
        episode = play_policy(player, paired, "seeds")
        keep(file, Judges(player.bundle).judge(episode, paired.labels), run.config)
    return recall(file, parse_config(settings))


def file_name(controller: str, seed: int) -> str:
    """What a controller's run and outcome are called."""
    return f"{controller.replace(',', '').replace('.', '').replace(' ', '-')}-{seed}"


def kept_outcomes(controller: str) -> list[Outcome]:
    """Those of the seeds that are there, in order."""
    changed = CONTROLLERS[controller]
    return [
        recall(file_name(controller, seed), parse_config({"seed": seed, **changed, **NO_TABLE}))
        for seed in range(SEEDS)
        if is_kept(file_name(controller, seed))
    ]


def all_kept() -> Trained:
    """The outcomes of the controllers that have any."""
    kept = {name: kept_outcomes(name) for name in CONTROLLERS}
    return {name: outcomes for name, outcomes in kept.items() if outcomes}


def trained(folder: Path, name: str, settings: dict[str, Any]) -> RunDirectory:
    """A finished run; goes on with an unfinished one."""
    run = RunDirectory(folder / name)
    if not (run.path / "config.toml").exists():
        run = create_run(folder, parse_config(settings), name)
    if len(run.metrics()) < run.config.ppo.updates:
        train_run(run)
    return run


def hand_made() -> HandMade:
    """Constants, rule and greedy arm under the default settings."""
    player = Player(parse_config({}))
    baselines = Baselines.of(
        player, Judges(player.bundle), evaluation_latents(player.bundle, LATENTS)
    )
    named = (baselines.constant(), baselines.rule(), baselines.greedy(), *baselines.placebos())
    constants = beside_constants(baselines, resample_counts(LATENTS, RESAMPLES, seed=0))
    return HandMade({arm.name: arm.outcome for arm in named}, constants)


def returns_of(outcomes: Sequence[Outcome]) -> FloatArray:
    """(S, N); an arm without training is one row."""
    return np.stack([outcome.returns for outcome in outcomes])


def return_difference(outcomes: Sequence[Outcome], others: Sequence[Outcome]) -> Estimate:
    """Mean return minus the others', seed by seed, latent by latent; two-level.

    Where one has more seeds, those that the other lacks are left out.
    """
    seeds = len(outcomes) if len(others) == 1 else min(len(outcomes), len(others))
    difference = returns_of(outcomes)[:seeds] - returns_of(others)[:seeds]
    result = hierarchical_bootstrap(difference, resamples=RESAMPLES)
    value, low, high, p = (
        float(x) for x in (result.value, result.low, result.high, result.p_value)
    )
    return Estimate(value, low, high, p)


def frechet_at_equal_log_p(outcomes: Sequence[Outcome], constants: BesideConstants) -> Estimate:
    """Frechet distance minus the constants' at equal log p, over seeds and latents."""
    compared = [constants.compare(outcome) for outcome in outcomes]
    values = np.array([each.difference.estimate for each in compared])
    return at_two_levels(values, np.stack([each.replicates for each in compared]))


def at_two_levels(values: FloatArray, replicates: FloatArray) -> Estimate:
    """Mean over seeds (S,), its error from seeds and from latents, replicates (S, B)."""
    seeds = len(values)
    of_seeds = values.var(ddof=1) / seeds if seeds > 1 else 0.0
    of_latents = replicates.mean(axis=0).var(ddof=1)
    error = float(np.sqrt(of_seeds + of_latents))
    freedom = (of_seeds + of_latents) ** 2 / (
        of_seeds**2 / max(seeds - 1, 1) + of_latents**2 / (LATENTS - 1)
    )
    mean, half = float(values.mean()), float(stats.t.isf(0.025, freedom)) * error
    return Estimate(
        mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom))
    )


def comparisons(done: Trained, made: HandMade) -> dict[str, dict[str, Any]]:
    """The ring against everything else: differences of return, adjusted as one family."""
    hand_made = {name: [one] for name, one in made.arms.items() if "placebo" not in name}
    rivals = {**hand_made, **done}
    del rivals[RING]
    ring = done[RING]
    found = {name: return_difference(ring, other) for name, other in rivals.items()}
    adjusted = holm([estimate.p_value for estimate in found.values()])
    means = returns_of(ring).mean(axis=1)
    return {
        name: {
            **estimate.record,
            "p, Holm": significant(float(p)),
            "probability of improvement": significant(
                probability_of_improvement(means, returns_of(rivals[name]).mean(axis=1))
            ),
        }
        for (name, estimate), p in zip(found.items(), adjusted, strict=True)
    }


def row(outcomes: Sequence[Outcome], made: HandMade) -> dict[str, Any]:
    """One arm's figures, over its seeds."""
    means = returns_of(outcomes).mean(axis=1)
    best = [next(iter(made.arms.values()))]
    return {
        "seeds": len(outcomes),
        "return": significant(float(means.mean()), 4),
        "return, interquartile mean": significant(interquartile_mean(means), 4),
        "over the best constant": return_difference(outcomes, best).record,
        "mean guidance": significant(float(np.mean([o.guidance.mean() for o in outcomes]))),
        **{eye: of_eye(outcomes, constants) for eye, constants in made.constants.items()},
    }


def of_eye(outcomes: Sequence[Outcome], constants: BesideConstants) -> dict[str, Any]:
    """One eye's figures of an arm, means over its seeds."""
    arms = [outcome.scores[constants.eye].arm for outcome in outcomes]
    return {
        "accuracy": significant(float(np.mean([arm.correct.mean() for arm in arms]))),
        "frechet": significant(float(np.mean([arm.distance for arm in arms]))),
        "at equal log p": frechet_at_equal_log_p(outcomes, constants).record,
    }


def interval(record: Mapping[str, float], digits: int = 3) -> str:
    value, low, high = (f"{record[name]:+.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def table_of_returns(rows: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Returns of all arms."""
    yield "| | seeds | return | its interquartile mean | over the best constant | mean g |"
    yield "|---|---|---|---|---|---|"
    for name, figures in rows.items():
        yield (
            f"| {name} | {figures['seeds']} | {figures['return']:.4f} "
            f"| {figures['return, interquartile mean']:.4f} "
            f"| {interval(figures['over the best constant'])} | {figures['mean guidance']:.2f} |"
        )


def table_of_eyes(rows: Mapping[str, dict[str, Any]], made: HandMade) -> Iterator[str]:
    """Accuracy, Frechet distance, and that distance beside the constants', in every eye."""
    yield "| | " + " | ".join(eye.title for eye in ALL_EYES.values()) + " |"
    yield "|---" * (len(ALL_EYES) + 1) + "|"
    for name, figures in rows.items():
        cells = [
            f"{figures[eye]['accuracy']:.3f} / {figures[eye]['frechet']:.2f} / "
            f"{interval(figures[eye]['at equal log p'], 2)}"
            for eye in ALL_EYES
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"
    resolved = [f"{made.constants[eye].resolution:.2f}" for eye in ALL_EYES]
    yield "| resolution | " + " | ".join(resolved) + " |"


def table_of_comparisons(found: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """The ring against every rival."""
    yield "| ring against | return, difference | p (Holm) | probability of improvement |"
    yield "|---|---|---|---|"
    for name, figures in found.items():
        yield (
            f"| {name} | {interval(figures)} | {figures['p, Holm']:.2g} | "
            f"{figures['probability of improvement']:.2f} |"
        )


def write(done: Trained, made: HandMade) -> None:
    """The result so far."""
    arms = {**done, **{name: [outcome] for name, outcome in made.arms.items()}}
    rows = {name: row(outcomes, made) for name, outcomes in arms.items()}
    found = comparisons(done, made)
    settings = parse_config({})
    transitions = settings.ppo.updates * settings.ppo.environments * settings.environment.steps
    page = f"""# Controllers over {len(done[RING])} training seeds

{transitions:,} transitions each; rings under the noise of `{settings.backend.device}`; all on the
same {LATENTS:,} latents. Written by `benchmarks/seeds.py`. Intervals: 95 %, over training seeds and
latents; of arms without training, over latents.

{chr(10).join(table_of_returns(rows))}

{chr(10).join(table_of_comparisons(found))}

In every eye: accuracy / Frechet distance / that distance minus the constants' at equal log p, below
0 is better. What is no larger than the resolution, which constants off the grid show, is no
difference. AlexNet names no classes: its accuracy is the mean of the judges'.

{chr(10).join(table_of_eyes(rows, made))}
"""
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")
    resolutions = {eye: significant(each.resolution) for eye, each in made.constants.items()}
    result = {"latents": LATENTS, "resolution": resolutions, "arms": rows, "ring against": found}
    write_result(__file__, result)


def main() -> None:
    """Train, play and compare, seed by seed."""
    parser = argparse.ArgumentParser(description="Thirty training seeds of every controller.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs-seeds"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args()
    for seed in range(chosen.seeds):
        for name in CONTROLLERS:
            outcome_of(chosen.folder, name, seed)
        if seed:
            write(all_kept(), hand_made())


if __name__ == "__main__":
    main()
