"""What a number of an update means: a threshold and one line of advice each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """When a diagnostic is worth a word.

    Attributes:
        low: Warn below this; None for never.
        high: Warn above this; None for never.
        advice: What to do then.
    """

    low: float | None
    high: float | None
    advice: str

    def crossed(self, value: float) -> bool:
        """Whether the value is outside."""
        return (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        )


LIMITS: dict[str, Limit] = {
    "mean_abs_action": Limit(0.02, None, "guidance has collapsed to CFG_0: lower lambda_act"),
    "sign_changes": Limit(None, 0.6, "the action oscillates: raise lambda_act or lower entropy"),
    "clip_fraction": Limit(None, 0.4, "steps are too large: lower actor_rate or epochs"),
    "approximate_kl": Limit(None, 0.1, "the policy moves too far per update: lower actor_rate"),
    "explained_variance": Limit(-1.0, None, "the critic misleads: raise critic_rate"),
    "entropy": Limit(-1.5, None, "exploration is gone: raise the entropy weight"),
    "circuit_gradient_norm": Limit(1e-6, None, "the circuit gets no gradient: barren or cut off"),
    "proxy_judge_gap": Limit(
        None, 0.03, "the proxy is pleased where the judges are not: raise lambda_guidance"
    ),
    "first_ratio_spread": Limit(None, 0.3, "shot noise dominates the ratio: raise --shots"),
}
"""Thresholds by the name of the diagnostic."""


def advice(values: Mapping[str, float]) -> list[str]:
    """One line for every diagnostic beyond its threshold; names without a threshold are skipped."""
    return [
        f"{name} = {values[name]:.3g}: {limit.advice}"
        for name, limit in LIMITS.items()
        if name in values and limit.crossed(values[name])
    ]
