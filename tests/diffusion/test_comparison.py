from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion.comparison import (
    Arm,
    BootstrapMethod,
    Interval,
    bootstrap_mean,
    equal_accuracy_difference,
    paired_difference,
    resample_counts,
)
from diffusion.metrics import FloatArray, GaussianReference

N = 600
Scene = tuple[FloatArray, FloatArray, list[Arm], GaussianReference]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def arm(common: FloatArray, accuracy: float, shift: float, threshold: FloatArray) -> Arm:
    """Features off by ``shift``; correct where the latent's common threshold says so."""
    return Arm.of(torch.from_numpy(threshold < accuracy), common + np.array([shift, 0, 0]))


@pytest.fixture
def scene(rng: np.random.Generator) -> Scene:
    common, threshold = rng.standard_normal((N, 3)), rng.random(N)
    constants = [arm(common, a, s, threshold) for a, s in [(0.7, 0.5), (0.8, 1.0), (0.9, 1.5)]]
    return common, threshold, constants, GaussianReference.of(rng.standard_normal((4000, 3)))


@pytest.mark.parametrize("method", ["influence", "resample"])
def test_known_gain_is_found(scene: Scene, method: BootstrapMethod) -> None:
    common, threshold, constants, reference = scene
    found = equal_accuracy_difference(
        arm(common, 0.85, 1.0, threshold), constants, reference, resamples=400, method=method
    )
    # At accuracy .85 the constants lie half-way between 1.0^2 and 1.5^2.
    assert found.difference.estimate == pytest.approx(-0.625, abs=0.12)
    assert found.difference.low < -0.625 < found.difference.high < 0
    assert found.outside < 0.01
    assert found.frechet - found.constant_frechet == pytest.approx(found.difference.estimate)


def test_methods_agree(scene: Scene) -> None:
    common, threshold, constants, reference = scene
    one, other = (
        equal_accuracy_difference(
            arm(common, 0.85, 1.0, threshold), constants, reference, method=method
        ).difference
        for method in ("influence", "resample")
    )
    assert one.estimate == other.estimate
    assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.15)


def test_a_constant_ties_with_itself(scene: Scene) -> None:
    _, _, constants, reference = scene
    found = equal_accuracy_difference(constants[1], constants, reference)
    assert found.difference.estimate == pytest.approx(0)
    assert found.difference.low == pytest.approx(0, abs=1e-9)
    assert found.difference.high == pytest.approx(0, abs=1e-9)


def test_dominated_constants_do_not_count(scene: Scene) -> None:
    common, threshold, constants, reference = scene
    worse = arm(common, 0.85, 3.0, threshold)
    subject = arm(common, 0.85, 1.0, threshold)
    one = equal_accuracy_difference(subject, constants, reference)
    assert equal_accuracy_difference(subject, [worse, *constants], reference) == one


def test_two_arms_beside_the_constants_are_paired(scene: Scene) -> None:
    """Both lie on the same latents, so most of what scatters is common and drops out."""
    common, threshold, constants, reference = scene
    better, worse = (
        equal_accuracy_difference(arm(common, 0.85, spread, threshold), constants, reference)
        for spread in (1.0, 1.1)
    )
    found = better.minus(worse)
    # Distances of these arms are about the square of their spread.
    assert found.estimate == pytest.approx(1.0**2 - 1.1**2, abs=0.1)
    assert found.low < 1.0**2 - 1.1**2 < found.high < 0
    alone = better.difference.high - better.difference.low
    assert found.high - found.low < 0.7 * alone
    assert better.minus(better) == Interval(0.0, 0.0, 0.0)


def test_accuracy_beyond_the_constants_is_told(scene: Scene) -> None:
    common, threshold, constants, reference = scene
    found = equal_accuracy_difference(arm(common, 0.99, 1.5, threshold), constants, reference)
    assert found.outside == 1
    assert found.difference.estimate == pytest.approx(0)


def test_paired_difference_uses_the_pairs(rng: np.random.Generator) -> None:
    base = rng.standard_normal(N) * 10
    found = paired_difference(base + 0.1 + 0.01 * rng.standard_normal(N), base)
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


def test_counts() -> None:
    counts = resample_counts(50, 20, seed=1)
    assert counts.shape == (20, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert np.array_equal(counts, resample_counts(50, 20, seed=1))
    assert not np.array_equal(counts, resample_counts(50, 20, seed=2))


def test_refusals(scene: Scene) -> None:
    common, threshold, constants, reference = scene
    with pytest.raises(ValueError, match="two constants"):
        equal_accuracy_difference(constants[0], constants[:1], reference)
    with pytest.raises(ValueError, match="all of one size"):
        equal_accuracy_difference(Arm.of(threshold[:9], common[:9]), constants, reference)
    with pytest.raises(ValueError, match="one row per latent"):
        Arm.of(threshold[:9], common)
