"""What the comparison with constants reads for a constant: how it should hold equal, and between.

    python -m benchmarks.equal_accuracy FOLDER

Plays constants on 2,000 latents of the embedded bundle, each into a file of FOLDER (what is there
is not played again). Constants that are not on the grid are compared with those that are, in four
ways: by accuracy or by log p, on straight lines between neighbours or on a curve through all. Such
a constant is no better than constants, so whatever is read is the way's error. Writes
equal_accuracy.json beside this script: reading and 95 % interval by eye, constant and way, and for
each way the largest reading.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.timing import significant, write_result
from diffusion.bundle import load_bundle
from diffusion.comparison import ConstantCurve, ScoredArm, resample_counts
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import Candidate
from diffusion.metrics import FloatArray
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents

LATENTS, RESAMPLES = 2000, 1000
COARSE = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
"""The grid of 0.1."""
FINE = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 4.0)
"""What `qhw.evaluation.constant_grid` has there."""
HELD_OUT = {"coarse": (1.75, 2.25), "fine": (1.375, 1.625, 1.875, 2.125)}

Constants = Mapping[float, ScoredArm]
Way = Callable[[ScoredArm, Constants, NDArray[np.int64]], FloatArray]
"""The difference (1 + B,) of an arm from constants, in the sample and in B resamples."""
Readings = dict[str, dict[str, list[float]]]
"""By constant and way: estimate, low, high."""


def by_accuracy(arm: ScoredArm) -> ScoredArm:
    """The same arm with its accuracy where log p is looked for."""
    return replace(arm, log_probability=arm.correct)


def on_lines(arm: ScoredArm, constants: Constants, counts: NDArray[np.int64]) -> FloatArray:
    """Straight lines between the constants that no other beats in both."""
    best, frontier = np.inf, []
    for constant in sorted(constants.values(), key=lambda c: -c.log_probability.mean()):
        if constant.distance < best:
            best = constant.distance
            frontier.append(constant)
    held, distance = arm.with_resamples(counts)
    curves = [constant.with_resamples(counts) for constant in frontier]
    xs, ys = (np.stack(column, axis=1) for column in zip(*curves, strict=True))
    order = np.argsort(xs, axis=1, kind="stable")
    xs, ys = np.take_along_axis(xs, order, 1), np.take_along_axis(ys, order, 1)
    drawn = [np.interp(at, x, y) for at, x, y in zip(held, xs, ys, strict=True)]
    difference: FloatArray = distance - np.array(drawn)
    return difference


def on_the_curve(arm: ScoredArm, constants: Constants, counts: NDArray[np.int64]) -> FloatArray:
    """As the toolkit compares."""
    found = ConstantCurve.through(constants, counts).beside(arm)
    return np.concatenate([[found.difference.estimate], found.replicates])


WAYS: dict[str, Way] = {
    "accuracy, lines": lambda arm, constants, counts: on_lines(
        by_accuracy(arm), {g: by_accuracy(c) for g, c in constants.items()}, counts
    ),
    "log p, lines": on_lines,
    "accuracy, curve": lambda arm, constants, counts: on_the_curve(
        by_accuracy(arm), {g: by_accuracy(c) for g, c in constants.items()}, counts
    ),
    "log p, curve": on_the_curve,
}


def played(folder: Path) -> dict[float, Outcome]:
    """Every constant's outcome, by its guidance."""
    bundle = load_bundle()
    card = bundle.card
    environment = GuidanceEnvironment(
        bundle.sampler(card.num_steps), bundle.proxy, card.reward, card.cfg_base
    )
    paired = evaluation_latents(bundle, LATENTS)
    baselines = Baselines(bundle, Judges(bundle), environment, paired, folder)
    wanted = sorted({*COARSE, *FINE, *HELD_OUT["coarse"], *HELD_OUT["fine"]})
    return {g: baselines.candidate("constant", Candidate(g)).outcome for g in wanted}


def reading(difference: FloatArray) -> list[float]:
    """Estimate, low and high of a difference (1 + B,)."""
    low, high = np.quantile(difference[1:], [0.025, 0.975])
    return [significant(float(value)) for value in (difference[0], low, high)]


def readings(arms: Constants, grid: Sequence[float], held_out: Sequence[float]) -> Readings:
    """What every way reads for every held-out constant in one eye."""
    counts = resample_counts(LATENTS, RESAMPLES, seed=0)
    constants = {guidance: arms[guidance] for guidance in grid}
    return {
        f"constant {guidance:g}": {
            name: reading(way(arms[guidance], constants, counts)) for name, way in WAYS.items()
        }
        for guidance in held_out
    }


def largest(found: Readings) -> dict[str, float]:
    """The largest reading of each way in one eye."""
    return {way: max(abs(told[way][0]) for told in found.values()) for way in WAYS}


def main() -> None:
    torch.set_num_threads(1)
    outcomes, result = played(Path(sys.argv[1])), {}
    for name, grid in (("coarse", COARSE), ("fine", FINE)):
        for eye in ALL_EYES:
            arms = {guidance: outcome.scores[eye].arm for guidance, outcome in outcomes.items()}
            found = readings(arms, grid, HELD_OUT[name])
            result[f"{name} grid, {eye}"] = {"largest reading": largest(found), **found}
    write_result(__file__, {"latents": LATENTS, **result})


if __name__ == "__main__":
    main()
