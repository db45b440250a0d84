"""What the numbers of an update mean: a healthy range and one line of advice for some of them.

Advice stands only where the number alone says what is wrong. The share of explained variance does
not: where no episode of a batch fails, its returns hardly vary, and any critic explains less than
nothing of what is left. Nor do changes of the action's sign, of which noise makes half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class HealthyRange:
    """Where a diagnostic may lie without a word.

    Attributes:
        low: Warn below this; None for never.
        high: Warn above this; None for never.
        advice: What to do then.
    """

    low: float | None
    high: float | None
    advice: str

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside."""
        return (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        )


HEALTHY_RANGES: dict[str, HealthyRange] = {
    "clip_fraction": HealthyRange(None, 0.4, "steps are too large: lower actor_rate or epochs"),
    "approximate_kl": HealthyRange(
        None, 0.1, "the policy moves too far per update: lower actor_rate"
    ),
    "entropy": HealthyRange(-1.5, None, "exploration is gone: raise the weight ppo.entropy"),
    "circuit_gradient_norm": HealthyRange(
        1e-6, None, "the circuit gets no gradient: barren or cut off"
    ),
    "proxy_judge_gap": HealthyRange(
        None, 0.03, "the proxy is pleased where the judges are not: believe the judges"
    ),
    "first_ratio_spread": HealthyRange(None, 0.3, "shot noise dominates the ratio: raise --shots"),
}
"""Ranges by the name of the diagnostic."""


def advice(values: Mapping[str, float]) -> list[str]:
    """One line for every diagnostic outside its range; names without a range are skipped."""
    return [
        f"{name} = {values[name]:.3g}: {healthy.advice}"
        for name, healthy in HEALTHY_RANGES.items()
        if name in values and healthy.excludes(values[name])
    ]
