from __future__ import annotations

import pytest

from policy import advice
from policy.diagnostics import LIMITS

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
    assert set(HEALTHY) == set(LIMITS)
    assert advice(HEALTHY) == []


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_speaks_once(name: str) -> None:
    limit = LIMITS[name]
    if limit.low is not None:
        value = limit.low - 1
    else:
        assert limit.high is not None
        value = limit.high + 1
    (line,) = advice({**HEALTHY, name: value})
    assert line.startswith(f"{name} = ")
    assert limit.advice in line


def test_unknown_names_are_skipped() -> None:
    assert advice({"policy_loss": 1e9}) == []
