"""Intervals that cover, tests that do not cry wolf, and sentences that are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from qhw.studies import statistics
from qhw.studies.finding import Estimate, Finding
from qhw.studies.statistics import (
    claim,
    crossing,
    hierarchical_bootstrap,
    holm,
    paired_difference,
    sample_size,
    slope,
)

REPETITIONS = 1000
EFFECT = 0.3


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng([len(request.node.name), 7])


def experiments(
    rng: np.random.Generator, seeds: int, episodes: int, spreads: tuple[float, float, float]
) -> NDArray[np.float64]:
    """A thousand experiments (K, S, N): seeds, latents and the rest vary by these amounts."""
    of_seed, of_episode, rest = spreads
    return (
        EFFECT
        + of_seed * rng.standard_normal((REPETITIONS, seeds, 1))
        + of_episode * rng.standard_normal((REPETITIONS, 1, episodes))
        + rest * rng.standard_normal((REPETITIONS, seeds, episodes))
    )


def at_least(rate: float) -> float:
    """Coverage that a thousand repetitions of this rate fall short of once in a thousand."""
    return float(binom.ppf(1e-3, REPETITIONS, rate)) / REPETITIONS


@pytest.mark.parametrize(
    ("seeds", "spreads", "rate"),
    [
        (1, (0.0, 1.0, 0.0), 0.95),
        (2, (1.0, 1.0, 1.0), 0.87),
        (3, (1.0, 1.0, 1.0), 0.92),
        (5, (1.0, 1.0, 1.0), 0.93),
        (5, (0.1, 1.0, 0.5), 0.95),
        (5, (1.0, 0.1, 0.1), 0.95),
        (10, (0.3, 1.0, 1.0), 0.95),
    ],
)
def test_intervals_cover_a_known_effect(
    rng: np.random.Generator, seeds: int, spreads: tuple[float, float, float], rate: float
) -> None:
    """The rate is 95 %, less the shortfall that the module's docstring states for few seeds."""
    found = hierarchical_bootstrap(experiments(rng, seeds, 60, spreads), resamples=1000)
    covered = ((found.low <= EFFECT) & (found.high >= EFFECT)).mean()
    assert at_least(rate) <= covered <= 0.99


@pytest.mark.parametrize(("seeds", "shortfall"), [(1, 0.0), (3, 0.03), (5, 0.01), (10, 0.0)])
def test_false_alarms_stay_at_their_rate(
    rng: np.random.Generator, seeds: int, shortfall: float
) -> None:
    spreads = (0.3 if seeds > 1 else 0.0, 1.0, 0.5)
    nothing = experiments(rng, seeds, 60, spreads) - EFFECT
    found = hierarchical_bootstrap(nothing, resamples=1000)
    limit = float(binom.ppf(1 - 1e-3, REPETITIONS, 0.05 + shortfall)) / REPETITIONS
    assert (found.p_value < 0.05).mean() <= limit
    assert ((found.low > 0) | (found.high < 0)).mean() <= limit


def test_a_family_without_effect_alarms_once_in_twenty(rng: np.random.Generator) -> None:
    nothing = rng.standard_normal((REPETITIONS, 8, 1, 40))
    p_values = hierarchical_bootstrap(nothing, resamples=100).p_value
    alarmed = np.array([holm(family).min() < 0.05 for family in p_values])
    assert alarmed.mean() <= float(binom.ppf(1 - 1e-3, REPETITIONS, 0.05)) / REPETITIONS
    assert (p_values.min(axis=1) < 0.05).mean() > 0.2


def test_pairing_takes_out_what_arms_share(rng: np.random.Generator) -> None:
    shared = 5 * rng.standard_normal((4, 100))
    one = shared + 0.1 * rng.standard_normal(shared.shape) + 0.2
    other = shared + 0.1 * rng.standard_normal(shared.shape)
    found = paired_difference(one, other).estimate()
    assert 0.1 < found.low < 0.2 < found.high < 0.3
    alone = hierarchical_bootstrap(one).estimate()
    assert alone.high - alone.low > 10 * (found.high - found.low)


def test_one_seed_is_flagged_and_the_bootstrap_seed_recorded(rng: np.random.Generator) -> None:
    values = rng.standard_normal((1, 50))
    found = hierarchical_bootstrap(values, seed=3)
    assert not found.over_seeds and "one training seed only" in found.flag
    assert found.facts["bootstrap seed"] == 3
    again = hierarchical_bootstrap(values, seed=3)
    assert np.array_equal(found.replicates, again.replicates)
    several = hierarchical_bootstrap(rng.standard_normal((4, 50)))
    assert several.over_seeds and "4 training seeds" in several.flag


def test_seeds_count_and_not_episodes(rng: np.random.Generator) -> None:
    values = rng.standard_normal((5, 1)) + 0.01 * rng.standard_normal((5, 1000))
    found = hierarchical_bootstrap(values).estimate()
    assert found.high - found.low > 1.0


def test_one_number_per_seed_is_resampled_over_seeds(rng: np.random.Generator) -> None:
    found = hierarchical_bootstrap(rng.standard_normal((6, 1)) + 3)
    assert found.low < 3 < found.high
    with pytest.raises(ValueError, match="two or more"):
        hierarchical_bootstrap([[1.0]])
    with pytest.raises(ValueError, match="not finite"):
        hierarchical_bootstrap([[1.0, math.nan]])


def test_constant_data_have_no_width() -> None:
    found = hierarchical_bootstrap(np.ones((3, 20)))
    assert found.estimate() == Estimate(value=1, low=1, high=1)
    assert found.p_value == 0
    assert hierarchical_bootstrap(np.zeros((3, 20))).p_value == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.9]) == pytest.approx([1, 1])
    with pytest.raises(ValueError, match="0, 1"):
        holm([1.2])


def test_sample_sizes_are_those_of_the_tables() -> None:
    """Cohen (1988), tables 2.3: d = .5 takes 34 pairs, or 64 in each arm; d = .2 takes 394."""
    assert sample_size(2.0, 1.0) == 34
    assert sample_size(2.0, -1.0, paired=False) == 64
    assert sample_size(5.0, 1.0, paired=False) == 394
    assert sample_size(1.0, 1e-9) == statistics.LARGEST_SAMPLE
    assert sample_size(0.0, 1.0) == 2


def test_the_sample_size_has_its_power(rng: np.random.Generator) -> None:
    count = sample_size(1.0, 0.6)
    seen = hierarchical_bootstrap(rng.standard_normal((4000, 1, count)) + 0.6, resamples=10)
    assert (seen.p_value < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_a_break_point_is_found_with_its_interval(rng: np.random.Generator) -> None:
    x = np.array([0, 0.5, 1, 2, 4, 8])
    curve = 1.0 - x / 4
    samples = curve + 0.1 * rng.standard_normal((500, 6))
    found = crossing(x, samples, 0.0, y=curve)
    assert found.at is not None and found.at.value == pytest.approx(4.0)
    assert 2.5 < found.at.low < 4 < found.at.high < 6
    assert not found.open_low and not found.open_high and found.share == 1
    assert found.words().startswith("at 4 [")


def test_a_break_point_that_is_never_reached_is_bounded(rng: np.random.Generator) -> None:
    x = np.array([0.0, 1, 2])
    far = crossing(x, 5 - x + 0.01 * rng.standard_normal((100, 3)), 0.0)
    assert far.at is None and far.share == 0 and far.words() == "not before 2 (95 %)"
    near = crossing(x, 2.1 - x + 0.3 * rng.standard_normal((400, 3)), 0.0, y=2.1 - x)
    assert near.at is None and near.open_high and 1 < near.earliest < 2
    below = crossing(x, -1 - x + 0.01 * rng.standard_normal((100, 3)), 0.0)
    assert below.at is not None and below.open_low and "below 0" in below.words()


def test_noise_on_a_level_curve_is_no_early_break() -> None:
    x = np.arange(6.0)
    curve = np.array([1.0, -0.1, 1.0, 1.0, 0.5, -0.5])
    found = crossing(x, np.tile(curve, (10, 1)), 0.0)
    assert found.at is not None and found.at.value == pytest.approx(4.5)


def test_break_points_cover(rng: np.random.Generator) -> None:
    x = np.arange(6.0)
    centre = 2.5 - x
    covered = []
    for _ in range(200):
        data = centre[:, None] + rng.standard_normal((6, 40))
        means = hierarchical_bootstrap(data[:, None], resamples=200)
        place = crossing(x, means.replicates, 0.0, y=means.value)
        assert place.at is not None
        covered.append(place.at.low <= 2.5 <= place.at.high)
    assert np.mean(covered) > 0.9


def test_slopes_cover(rng: np.random.Generator) -> None:
    x = np.arange(2.0, 11, 2)
    covered = []
    for _ in range(REPETITIONS):
        found = slope(x, 1 - 0.7 * x + 0.2 * rng.standard_normal(5))
        covered.append(found.low <= -0.7 <= found.high)
    assert at_least(0.95) <= np.mean(covered) <= 0.975


def test_a_slope_takes_replicates(rng: np.random.Generator) -> None:
    x = np.arange(4.0)
    samples = 2 * x + 0.1 * rng.standard_normal((1000, 4))
    found = slope(x, 2 * x, samples)
    assert found.value == pytest.approx(2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.1 / math.sqrt(5), rel=0.15)
    with pytest.raises(ValueError, match="too few"):
        slope([1, 1, 1], [1, 2, 3])


def test_one_training_seed_refuses_the_claim() -> None:
    refused = claim("Ring actors are better.", seeds=1)
    assert refused.answer is None and refused.refusal is not None
    assert "one training seed" in refused.refusal and "better" not in refused.refusal
    said = claim("Ring actors are better.", seeds=5)
    assert said == ("Ring actors are better.", None)
    Finding(study="some", question="?", answer=said.answer, refusal=said.refusal)


def test_a_null_result_names_the_sample_it_would_take(rng: np.random.Generator) -> None:
    told = statistics.nothing_seen("between a and b", 2.0, 1.0, 10, "training seeds")
    assert "No difference is seen" in told and "34 training seeds (there were 10)" in told
    enough = statistics.nothing_seen("between a and b", 2.0, 1.0, 40, "latents")
    assert "would have been (80 % power takes 34 latents, and there were 40)" in enough
    values = rng.standard_normal((1, 30))
    assert statistics.units_of(values) == (values.std(ddof=1), 30, "latents")
    several = np.vstack([values, values + 1])
    found = statistics.units_of(several)
    assert found.sd == pytest.approx(np.sqrt(0.5)) and found[1:] == (2, "training seeds")


def test_an_interval_moves_to_another_scale() -> None:
    moved = statistics.transformed(Estimate(value=4, low=-1, high=9), math.sqrt, 0.0)
    assert moved == Estimate(value=2, low=0, high=3)
    assert statistics.shown(moved) == "2 [0, 3]"
    assert not statistics.excludes(moved) and statistics.excludes(moved, 4)
