"""Shares of one mean in another: their intervals hold what made both."""

from __future__ import annotations

import numpy as np
import pytest

from qhw.studies.statistics.shares import share_of


def test_a_share_is_the_ratio_of_the_means() -> None:
    rng = np.random.default_rng(1)
    whole = 1 + 0.1 * rng.standard_normal((5, 80))
    part = 0.2 * whole + 0.02 * rng.standard_normal((5, 80))
    found = share_of(part, whole)
    assert found is not None
    assert found.value == pytest.approx(part.mean() / whole.mean())
    assert found.low < 0.2 < found.high


def test_what_both_share_leaves_the_interval() -> None:
    """Controllers differ by half in their gains; all of them lose a fifth of it."""
    rng = np.random.default_rng(2)
    whole = 1 + 0.3 * rng.standard_normal((5, 1)) + 0.1 * rng.standard_normal((5, 80))
    found = share_of(0.2 * whole, whole)
    assert found is not None
    assert found.low == pytest.approx(0.2) and found.high == pytest.approx(0.2)


@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_is_a_share_of_what_may_be_nothing(sign: int) -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((5, 40))
    assert share_of(noise, sign * 0.01 + noise) is None
    assert share_of(noise, sign * 5.0 + noise) is not None


def test_one_row_stands_for_all_seeds() -> None:
    rng = np.random.default_rng(4)
    part = 0.1 + 0.01 * rng.standard_normal((3, 50))
    found = share_of(part, np.full(50, 0.5))
    assert found is not None and found.value == pytest.approx(part.mean() / 0.5)


def test_intervals_of_shares_cover() -> None:
    """Five seeds whose gains and losses vary together: 95 %, as the means' own intervals do."""
    rng, covered = np.random.default_rng(5), []
    for _ in range(300):
        of_seed = rng.standard_normal((5, 1))
        whole = 1 + 0.2 * of_seed + 0.5 * rng.standard_normal((5, 40))
        part = 0.3 + 0.1 * of_seed + 0.2 * rng.standard_normal((5, 40))
        found = share_of(part, whole)
        assert found is not None
        covered.append(found.low <= 0.3 <= found.high)
    # Two standard errors of 300 repetitions are 2.5 %.
    assert np.mean(covered) >= 0.91
