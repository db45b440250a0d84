from __future__ import annotations

import pytest

from policy import advice
from policy.diagnostics import HEALTHY_RANGES

HEALTHY = {
    "clip_fraction": 0.1,
    "approximate_kl": 0.01,
    "entropy": 0.9,
    "circuit_gradient_norm": 0.02,
    "proxy_judge_gap": 0.0,
    "first_ratio_spread": 0.0,
}


def test_health_is_silent() -> None:
    assert set(HEALTHY) == set(HEALTHY_RANGES)
    assert advice(HEALTHY) == []


@pytest.mark.parametrize("name", HEALTHY_RANGES)
def test_every_end_of_a_range_speaks_once(name: str) -> None:
    healthy = HEALTHY_RANGES[name]
    if healthy.low is not None:
        value = healthy.low - 1
    else:
        assert healthy.high is not None
        value = healthy.high + 1
    (line,) = advice({**HEALTHY, name: value})
    assert line.startswith(f"{name} = ")
    assert healthy.advice in line


def test_a_batch_in_which_no_episode_failed_is_no_fault_of_the_critic() -> None:
    """Its returns hardly vary: any critic's error is larger, however good its rate is."""
    assert advice({**HEALTHY, "explained_variance": -3.25}) == []


def test_an_action_that_changes_sign_as_noise_does_is_no_fault() -> None:
    assert advice({**HEALTHY, "sign_changes": 0.625}) == []


def test_unknown_names_are_skipped() -> None:
    assert advice({"policy_loss": 1e9}) == []
