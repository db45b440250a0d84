from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion.comparison import (
    ConstantCurve,
    EqualLogP,
    Interval,
    ScoredArm,
    bootstrap_difference,
    bootstrap_mean,
    resample_counts,
    resolution,
)
from diffusion.metrics import FloatArray, GaussianReference

N = 600


@dataclass(frozen=True)
class Scene:
    """Latents, constants on them, and the real pictures.

    A constant of guidance g is off the real pictures by g, and has the log p of `log_p`.
    """

    common: FloatArray
    luck: FloatArray
    reference: GaussianReference

    def arm(self, log_p: float, shift: float) -> ScoredArm:
        """Features off by ``shift``; the latents' common luck moves their log p about."""
        seen = self._seen(log_p, shift)
        return ScoredArm.of(*seen, self.reference)

    def exact(self, log_p: float, shift: float) -> ExactArm:
        """The same with distances of resamples that are not to first order."""
        scored, rows = self.arm(log_p, shift), self._seen(log_p, shift)[2]
        measured = scored.correct, scored.log_probability, scored.distance, scored.effect
        return ExactArm(*measured, rows, self.reference)

    def constant(self, guidance: float) -> ScoredArm:
        return self.arm(log_p(guidance), guidance)

    def constants(self, grid: Sequence[float]) -> dict[float, ScoredArm]:
        return {guidance: self.constant(guidance) for guidance in grid}

    def compare(self, arm: ScoredArm, grid: Sequence[float] = ()) -> EqualLogP:
        return self.curve(self.constants(grid or GRID)).beside(arm)

    def curve(self, constants: Mapping[float, ScoredArm]) -> ConstantCurve:
        return ConstantCurve.through(constants, resample_counts(N, 1000, seed=0))

    def _seen(self, log_p: float, shift: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        log_probability = log_p * self.luck
        return log_probability, log_probability, self.common + np.array([shift, 0, 0])


GRID = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def log_p(guidance: float) -> float:
    """It rises ever less, as a classifier's does under more guidance."""
    return -float(np.exp(-2 * guidance))


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
    common, luck = rng.standard_normal((N, 3)), rng.exponential(size=N)
    return Scene(common, luck, GaussianReference.of(rng.standard_normal((4000, 3))))


@pytest.mark.parametrize("make", [Scene.arm, Scene.exact], ids=["first order", "exact"])
def test_known_gain_is_found(
    scene: Scene, make: Callable[[Scene, float, float], ScoredArm]
) -> None:
    constants = {guidance: make(scene, log_p(guidance), guidance) for guidance in GRID}
    counts = resample_counts(N, 400, seed=0)
    found = ConstantCurve.through(constants, counts).beside(make(scene, log_p(1.4), 1.0))
    # A constant of the arm's log p is off by 1.4, the arm by 1.
    assert found.difference.estimate == pytest.approx(1.0 - 1.4**2, abs=0.12)
    assert found.difference.low < 1.0 - 1.4**2 < found.difference.high < 0
    assert found.outside < 0.01
    assert found.frechet - found.constant_frechet == pytest.approx(found.difference.estimate)


def test_first_order_and_exact_resamples_agree(scene: Scene) -> None:
    one = scene.compare(scene.arm(log_p(1.4), 1.0)).difference
    exact = scene.curve({guidance: scene.exact(log_p(guidance), guidance) for guidance in GRID})
    other = exact.beside(scene.exact(log_p(1.4), 1.0)).difference
    assert one.estimate == other.estimate
    assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.15)


def test_a_constant_ties_with_itself(scene: Scene) -> None:
    found = scene.compare(scene.constant(1.25))
    assert found.difference.estimate == pytest.approx(0)
    assert found.difference.low == pytest.approx(0, abs=1e-9)
    assert found.difference.high == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("guidance", [0.6, 0.9, 1.1, 1.4, 1.75])
def test_a_constant_between_those_that_were_played_ties(scene: Scene, guidance: float) -> None:
    found = scene.compare(scene.constant(guidance)).difference
    assert abs(found.estimate) < 0.02
    assert max(abs(found.low), abs(found.high)) < 0.05


def test_a_straight_line_would_call_a_constant_better_than_constants(scene: Scene) -> None:
    """Why the curve is one: with the neighbours' chord this constant gains."""
    low, middle, high = (scene.constant(guidance) for guidance in (0.5, 1.0, 2.0))
    means = [float(arm.log_probability.mean()) for arm in (low, middle, high)]
    share = (means[1] - means[0]) / (means[2] - means[0])
    chord = low.distance + share * (high.distance - low.distance)
    assert middle.distance - chord < -1.0
    assert abs(scene.compare(middle, (0.5, 0.75, 1.25, 2.0)).difference.estimate) < 0.1


def test_a_constant_that_another_beats_in_both_does_not_count(scene: Scene) -> None:
    """Below the guidance of the least distance, less guidance is worse in both."""
    constants = scene.constants(GRID)
    worse = scene.arm(log_p(0.25), 1.5)
    subject = scene.arm(log_p(0.3), 0.5)
    found = scene.curve({0.25: worse, **constants}).beside(subject)
    assert found.constant_frechet == pytest.approx(constants[0.5].distance, abs=0.01)


def test_two_arms_beside_the_constants_are_paired(scene: Scene) -> None:
    """Both lie on the same latents, so most of what scatters is common and drops out."""
    better, worse = (scene.compare(scene.arm(log_p(1.4), spread)) for spread in (1.0, 1.1))
    found = better.minus(worse)
    # Distances of these arms are about the square of their spread.
    assert found.estimate == pytest.approx(1.0**2 - 1.1**2, abs=0.1)
    assert found.low < 1.0**2 - 1.1**2 < found.high < 0
    alone = better.difference.high - better.difference.low
    assert found.high - found.low < 0.7 * alone
    assert better.minus(better) == Interval(0.0, 0.0, 0.0)


def test_a_log_p_beyond_the_constants_is_told(scene: Scene) -> None:
    found = scene.compare(scene.arm(log_p(4), 2.0))
    assert found.outside == 1
    assert found.difference.estimate == pytest.approx(0)


def test_what_is_within_what_placebos_read_is_no_difference() -> None:
    placebos = [Interval(0.01, -0.02, 0.03), Interval(-0.03, -0.05, 0.0)]
    assert resolution(placebos) == 0.05
    assert Interval(-0.06, -0.1, -0.01).is_beyond(0.05)
    assert not Interval(-0.04, -0.06, -0.01).is_beyond(0.05), "smaller than the resolution"
    assert not Interval(-0.3, -0.7, 0.1).is_beyond(0.05), "its interval holds 0"


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
    constants = scene.constants(GRID)
    with pytest.raises(ValueError, match="two constants"):
        scene.curve({1.0: constants[1.0]})
    few = ScoredArm.of(scene.luck[:9], scene.luck[:9], scene.common[:9], scene.reference)
    with pytest.raises(ValueError, match="all of that size"):
        scene.curve({**constants, 3.0: few})
    with pytest.raises(ValueError, match="play it on the same"):
        scene.curve(constants).beside(few)
    with pytest.raises(ValueError, match="one row per latent"):
        ScoredArm.of(scene.luck[:9], scene.luck, scene.common, scene.reference)
