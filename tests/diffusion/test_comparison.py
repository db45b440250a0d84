from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from diffusion.comparison import (
    EqualAccuracyDifference,
    Interval,
    ScoredArm,
    bootstrap_difference,
    bootstrap_mean,
    compare_at_equal_accuracy,
    resample_counts,
)
from diffusion.metrics import FloatArray, GaussianReference

N = 600


@dataclass(frozen=True)
class Scene:
    """Latents with what decides their accuracy, constants on them, and the real pictures."""

    common: FloatArray
    threshold: FloatArray
    reference: GaussianReference

    def arm(self, accuracy: float, shift: float) -> ScoredArm:
        """Features off by ``shift``; correct where the latent's common threshold says so."""
        correct = torch.from_numpy(self.threshold < accuracy)
        return ScoredArm.of(correct, self.common + np.array([shift, 0, 0]), self.reference)

    def exact(self, accuracy: float, shift: float) -> ExactArm:
        """The same with distances of resamples that are not to first order."""
        scored = self.arm(accuracy, shift)
        rows = self.common + np.array([shift, 0, 0])
        return ExactArm(scored.correct, scored.distance, scored.effect, rows, self.reference)

    def compare(self, arm: ScoredArm, constants: Sequence[ScoredArm]) -> EqualAccuracyDifference:
        return compare_at_equal_accuracy(arm, constants, resample_counts(N, 1000, seed=0))

    @property
    def constants(self) -> list[ScoredArm]:
        return [self.arm(*point) for point in CONSTANTS]


CONSTANTS = [(0.7, 0.5), (0.8, 1.0), (0.9, 1.5)]


@dataclass(frozen=True)
class ExactArm(ScoredArm):
    """The slow way: the distance of every resample, measured on its repeated rows."""

    rows: FloatArray
    reference: GaussianReference

    def resampled(self, counts: NDArray[np.int64]) -> FloatArray:
        repeated = (np.repeat(self.rows, row, axis=0) for row in counts)
        return np.array([self.reference.distance(rows) for rows in repeated])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def scene(rng: np.random.Generator) -> Scene:
    common, threshold = rng.standard_normal((N, 3)), rng.random(N)
    return Scene(common, threshold, GaussianReference.of(rng.standard_normal((4000, 3))))


@pytest.mark.parametrize("make", [Scene.arm, Scene.exact], ids=["first order", "exact"])
def test_known_gain_is_found(
    scene: Scene, make: Callable[[Scene, float, float], ScoredArm]
) -> None:
    constants = [make(scene, *point) for point in CONSTANTS]
    counts = resample_counts(N, 400, seed=0)
    found = compare_at_equal_accuracy(make(scene, 0.85, 1.0), constants, counts)
    # At accuracy .85 the constants lie half-way between 1.0^2 and 1.5^2.
    assert found.difference.estimate == pytest.approx(-0.625, abs=0.12)
    assert found.difference.low < -0.625 < found.difference.high < 0
    assert found.outside < 0.01
    assert found.frechet - found.constant_frechet == pytest.approx(found.difference.estimate)


def test_first_order_and_exact_resamples_agree(scene: Scene) -> None:
    one = scene.compare(scene.arm(0.85, 1.0), scene.constants).difference
    exact = [scene.exact(*point) for point in CONSTANTS]
    other = scene.compare(scene.exact(0.85, 1.0), exact).difference
    assert one.estimate == other.estimate
    assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.15)


def test_a_constant_ties_with_itself(scene: Scene) -> None:
    found = scene.compare(scene.constants[1], scene.constants)
    assert found.difference.estimate == pytest.approx(0)
    assert found.difference.low == pytest.approx(0, abs=1e-9)
    assert found.difference.high == pytest.approx(0, abs=1e-9)


def test_dominated_constants_do_not_count(scene: Scene) -> None:
    worse, subject = scene.arm(0.85, 3.0), scene.arm(0.85, 1.0)
    one = scene.compare(subject, scene.constants)
    assert scene.compare(subject, [worse, *scene.constants]) == one


def test_two_arms_beside_the_constants_are_paired(scene: Scene) -> None:
    """Both lie on the same latents, so most of what scatters is common and drops out."""
    better, worse = (
        scene.compare(scene.arm(0.85, spread), scene.constants) for spread in (1.0, 1.1)
    )
    found = better.minus(worse)
    # Distances of these arms are about the square of their spread.
    assert found.estimate == pytest.approx(1.0**2 - 1.1**2, abs=0.1)
    assert found.low < 1.0**2 - 1.1**2 < found.high < 0
    alone = better.difference.high - better.difference.low
    assert found.high - found.low < 0.7 * alone
    assert better.minus(better) == Interval(0.0, 0.0, 0.0)


def test_accuracy_beyond_the_constants_is_told(scene: Scene) -> None:
    found = scene.compare(scene.arm(0.99, 1.5), scene.constants)
    assert found.outside == 1
    assert found.difference.estimate == pytest.approx(0)


def test_paired_difference_uses_the_pairs(rng: np.random.Generator) -> None:
    base = rng.standard_normal(N) * 10
    found = bootstrap_difference(base + 0.1 + 0.01 * rng.standard_normal(N), base)
    assert 0.098 < found.low < found.estimate < found.high < 0.103


def test_interval_covers(rng: np.random.Generator) -> None:
    hits = [
        (found := bootstrap_mean(rng.standard_normal(80), seed=k, resamples=400)).low
        < 0
        < found.high
        for k in range(300)
    ]
    # Binomial(300, .95): p < 1e-6 below 262; percentile intervals of 80 rows are a little narrow.
    assert sum(hits) >= 262


def test_resamples_are_counts_that_a_seed_fixes() -> None:
    counts = resample_counts(50, 20, seed=1)
    assert counts.shape == (20, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert np.array_equal(counts, resample_counts(50, 20, seed=1))
    assert not np.array_equal(counts, resample_counts(50, 20, seed=2))


def test_arms_that_do_not_compare_are_refused(scene: Scene) -> None:
    constants = scene.constants
    with pytest.raises(ValueError, match="two constants"):
        scene.compare(constants[0], constants[:1])
    with pytest.raises(ValueError, match="all of one size"):
        scene.compare(
            ScoredArm.of(scene.threshold[:9], scene.common[:9], scene.reference), constants
        )
    with pytest.raises(ValueError, match="one row per latent"):
        ScoredArm.of(scene.threshold[:9], scene.common, scene.reference)
