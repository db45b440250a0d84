from __future__ import annotations

import pytest
import torch

from diffusion import schedules


@pytest.mark.parametrize("steps", [1, 7, 10, 50])
@pytest.mark.parametrize(
    "name", ["constant", "linear up", "linear down", "cosine up", "cosine down"]
)
def test_mean_is_exact(name: str, steps: int) -> None:
    schedule = schedules.baseline_schedules(steps, 3.5)[name]
    assert schedule.shape == (steps,)
    assert schedule.mean().item() == pytest.approx(3.5, abs=1e-5)


def test_ramps_rise_or_fall_between_their_ends() -> None:
    for ramp in (schedules.linear, schedules.cosine):
        up, down = ramp(100, 3.0), ramp(100, 3.0, rising=False)
        assert (up.diff() > 0).all()
        assert torch.allclose(down, up.flip(0))
        assert 1 <= up.min() < 1.05
        assert 4.95 < up.max() <= 5


def test_an_interval_guides_only_the_middle() -> None:
    assert schedules.interval(10, 4.0, 0.3, 0.6).tolist() == [1, 1, 1, 4, 4, 4, 1, 1, 1, 1]
    assert schedules.interval(10, 4.0, 0, 1, outside=0).tolist() == [4] * 10


def test_random_has_the_policys_moments_and_ignores_the_batch() -> None:
    drawn = schedules.random_matched(10, 2000, 3.0, 0.49, seed=1)
    assert drawn.shape == (10, 2000)
    assert abs(drawn.mean() - 3) < 5 * 0.7 / 20000**0.5
    assert abs(drawn.var() - 0.49) < 5 * 0.49 * (2 / 20000) ** 0.5
    assert torch.equal(schedules.random_matched(10, 5, 3.0, 0.49, 1, first=7), drawn[:, 7:12])


def test_impossible_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="num_steps is 0"):
        schedules.constant(0, 3.0)
    with pytest.raises(ValueError, match="interval"):
        schedules.interval(10, 3.0, 0.8, 0.2)
    with pytest.raises(ValueError, match="variance is -1"):
        schedules.random_matched(10, 2, 3.0, -1, 0)
