from __future__ import annotations

import pytest

from policy import advice
from policy.diagnostics import HEALTHY_RANGES

HEALTHY = {
    "mean_abs_action": 0.5,
    "sign_changes": 0.3,
    "clip_fraction": 0.1,
    "approximate_kl": 0.01,
    "explained_variance": 0.4,
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


def test_unknown_names_are_skipped() -> None:
    assert advice({"policy_loss": 1e9}) == []
