"""The studies' statistics against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qhw.studies.finding import Estimate
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.break_point import break_point
from qhw.studies.statistics.holm import holm
from qhw.studies.statistics.intervals import digits_of, excludes, shown
from qhw.studies.statistics.power import _power, sample_size, units_of
from tests.qhw.studies.by_hand import holm_by_hand, mean_of, pairs_needed, power_of_t_test


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng([len(request.node.name), 11])


class TestBootstrap:
    def test_one_seed_is_the_t_test_over_latents(self, rng: np.random.Generator) -> None:
        values = rng.standard_normal((1, 25)) + 0.3
        found, test = hierarchical_bootstrap(values), stats.ttest_1samp(values[0], 0)
        assert float(found.value) == pytest.approx(values.mean())
        assert float(found.p_value) == pytest.approx(test.pvalue)
        low, high = test.confidence_interval()
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * float(high - low))

    def test_one_episode_is_the_t_test_over_seeds(self, rng: np.random.Generator) -> None:
        values = rng.standard_normal((8, 1)) + 0.5
        test = stats.ttest_1samp(values[:, 0], 0)
        assert float(hierarchical_bootstrap(values).p_value) == pytest.approx(test.pvalue)

    def test_pairs_are_the_paired_t_test(self, rng: np.random.Generator) -> None:
        one, other = rng.standard_normal((2, 1, 30))
        test = stats.ttest_rel(one[0], other[0])
        assert float(hierarchical_bootstrap(one - other).p_value) == pytest.approx(test.pvalue)

    @pytest.mark.parametrize("seeds", [2, 3, 6])
    def test_both_spreads_add_up(self, rng: np.random.Generator, seeds: int) -> None:
        values = (
            0.4
            + rng.standard_normal((seeds, 1))
            + rng.standard_normal((1, 20))
            + 0.3 * rng.standard_normal((seeds, 20))
        )
        found, expected = hierarchical_bootstrap(values), mean_of(values)
        assert float(found.value) == pytest.approx(expected.value)
        assert float(found.p_value) == pytest.approx(expected.p_value)

    def test_the_spread_of_the_replicates_is_that_of_t(self, rng: np.random.Generator) -> None:
        """Half a t interval over the normal's 1.96."""
        values = rng.standard_normal((4, 30)) + rng.standard_normal((4, 1))
        found, expected = hierarchical_bootstrap(values), mean_of(values)
        half = (expected.high - expected.low) / 2
        assert found.replicates.std() == pytest.approx(half / stats.norm.isf(0.025))
        assert found.replicates.mean() == pytest.approx(expected.value, abs=half / 10)

    def test_many_conditions_are_each_as_if_alone(self, rng: np.random.Generator) -> None:
        values = rng.standard_normal((3, 2, 2, 15))
        together = hierarchical_bootstrap(values)
        for index in np.ndindex(3, 2):
            alone = hierarchical_bootstrap(values[index])
            assert together.estimate(*index) == alone.estimate()
            assert together.p_value[index] == alone.p_value
        rows = hierarchical_bootstrap(values[:, 0])
        assert rows.estimates() == [rows.estimate(k) for k in range(3)]

    def test_another_seed_draws_others_and_the_mean_stays(self, rng: np.random.Generator) -> None:
        values = rng.standard_normal((2, 15))
        one, other = (hierarchical_bootstrap(values, seed=seed) for seed in (1, 2))
        assert one.value == other.value and one.p_value == other.p_value
        assert not np.array_equal(one.replicates, other.replicates)


class TestHolm:
    @pytest.mark.parametrize("count", [1, 2, 5, 12])
    def test_it_is_the_definition(self, rng: np.random.Generator, count: int) -> None:
        for _ in range(20):
            p_values = rng.random(count) ** 3
            assert holm(p_values) == pytest.approx(holm_by_hand(list(p_values)))

    def test_it_rejects_at_least_what_bonferroni_does(self, rng: np.random.Generator) -> None:
        p_values = rng.random((50, 6)) ** 4
        for family in p_values:
            adjusted = holm(family)
            assert (adjusted >= family).all() and (adjusted <= np.minimum(6 * family, 1)).all()
            assert adjusted.min() == pytest.approx(min(1.0, 6 * family.min()))

    def test_the_order_of_the_family_does_not_matter(self, rng: np.random.Generator) -> None:
        p_values, order = rng.random(9), rng.permutation(9)
        assert np.array_equal(holm(p_values)[order], holm(p_values[order]))


class TestSampleSizes:
    @pytest.mark.parametrize("effect", [0.5, 0.7, 1.5, 4.0, 8.0, 13.0])
    @pytest.mark.parametrize("alpha", [0.05, 0.05 / 12])
    def test_it_is_the_least_that_has_the_power(self, effect: float, alpha: float) -> None:
        assert sample_size(1.0, effect, alpha=alpha) == pairs_needed(1.0, effect, alpha)

    @pytest.mark.parametrize("effect", [0.05, 0.15, 1 / 3])
    def test_one_less_is_too_few(self, effect: float) -> None:
        count = sample_size(1.0, effect)
        assert power_of_t_test(count, effect) >= 0.8 > power_of_t_test(count - 1, effect)

    @pytest.mark.parametrize("count", [2, 3, 5, 20])
    def test_the_power_is_a_number_at_every_effect(self, count: int) -> None:
        """scipy's noncentral t has none in the far tail; a sample size must not rest on that."""
        for effect in np.geomspace(0.01, 20, 40):
            power = _power(count, float(effect), 0.05, paired=True)
            assert power == pytest.approx(power_of_t_test(count, float(effect)), abs=0.01)

    def test_it_depends_on_the_ratio_alone(self) -> None:
        assert sample_size(2.0, 0.5) == sample_size(4.0, 1.0) == sample_size(4.0, -1.0)

    def test_nothing_to_see_has_no_sample(self) -> None:
        for sd, difference in ((1.0, 0.0), (-1.0, 1.0)):
            with pytest.raises(ValueError, match="need sd >= 0"):
                sample_size(sd, difference)

    def test_units_are_seeds_where_there_are_several(self, rng: np.random.Generator) -> None:
        differences = rng.standard_normal((4, 30))
        several, alone = units_of(differences), units_of(differences[:1])
        assert several.sd == pytest.approx(np.std(differences.mean(axis=1), ddof=1))
        assert several[1:] == (4, "training seeds")
        assert alone.sd == pytest.approx(np.std(differences[0], ddof=1))
        assert alone[1:] == (30, "latents")


class TestBreakPoints:
    @pytest.mark.parametrize("level", [0.9, 0.5, 0.25, 0.01])
    def test_a_line_is_crossed_where_algebra_says(self, level: float) -> None:
        x = np.array([0.0, 1, 2, 5, 10])
        curve = 1 - x / 10
        place = break_point(x, np.tile(curve, (5, 1)), level, y=curve)
        assert place.at is not None
        assert place.at.value == pytest.approx(10 * (1 - level))
        assert place.at.low == place.at.value == place.at.high

    def test_the_interval_is_that_of_the_crossings(self) -> None:
        """Lines from 1 with slopes that are known: each crosses 0 at its own place."""
        x, crossings = np.array([0.0, 2, 4, 8]), np.linspace(2, 6, 401)
        samples = 1 - x[None] / crossings[:, None]
        place = break_point(x, samples, 0.0, y=1 - x / 4)
        assert place.at is not None and place.at.value == pytest.approx(4)
        assert (place.at.low, place.at.high) == pytest.approx((2.1, 5.9), abs=0.02)

    def test_x_that_does_not_rise_or_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="it must rise"):
            break_point([0.0, 0.0], np.ones((3, 2)), 0.5)
        with pytest.raises(ValueError, match="x has shape"):
            break_point([0.0, 1.0], np.ones((3, 3)), 0.5)


class TestWords:
    @pytest.mark.parametrize(
        ("low", "high", "text"),
        [
            (0.10, 0.14, "0.120 [0.100, 0.140]"),
            (-1.0, 3.0, "1.0 [-1.0, 3.0]"),
            (100.0, 300.0, "200 [100, 300]"),
            (0.0001, 0.0003, "0.00020 [0.00010, 0.00030]"),
        ],
    )
    def test_two_digits_of_the_width_are_shown(self, low: float, high: float, text: str) -> None:
        assert shown(Estimate(value=(low + high) / 2, low=low, high=high)) == text

    def test_an_interval_that_ends_at_a_value_does_not_exclude_it(self) -> None:
        edge = Estimate(value=1, low=0, high=2)
        assert not excludes(edge) and not excludes(edge, 2) and excludes(edge, 2.1)
        assert digits_of(Estimate(value=0, low=0, high=0)) == 1
