"""What happened in whole episodes, and how good every action was (GAE, arXiv 1506.02438)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rollout:
    """N complete episodes of T steps.

    Attributes:
        states: (T, N, F) acted on.
        actions: (T, N) as drawn, not clipped: log-probabilities are of these.
        log_probs: (T, N) under the policy that drew them.
        values: (T, N) the critic's.
        rewards: (T, N).
        dones: (T, N) 1 where the step ended its episode.
        features: (T, N, n) the <Z_i> the actions were drawn from; None for classical actors.
        feature_errors: (T, N, n) their standard errors; None for classical actors.
    """

    states: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    rewards: Tensor
    dones: Tensor
    features: Tensor | None = None
    feature_errors: Tensor | None = None

    def __post_init__(self) -> None:
        shape = self.actions.shape
        if len(shape) != 2 or self.states.ndim != 3 or self.states.shape[:2] != shape:
            raise ValueError(f"states {tuple(self.states.shape)} and actions {tuple(shape)} differ")
        for name in ("log_probs", "values", "rewards", "dones"):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} has shape {tuple(getattr(self, name).shape)}: need {tuple(shape)}"
                )
        for name in ("features", "feature_errors"):
            column = getattr(self, name)
            if column is not None and column.shape[:2] != shape:
                raise ValueError(f"{name} has shape {tuple(column.shape)}: need {(*shape, 'n')}")
        if not bool(self.dones[-1].all()):
            raise ValueError("the last step does not end the episodes: collect whole episodes")

    @property
    def returns(self) -> Tensor:
        """Undiscounted return (N,) of every episode."""
        return self.rewards.sum(dim=0)

    @property
    def size(self) -> int:
        """Transitions T N."""
        return self.actions.numel()


def gae(
    rewards: Tensor, values: Tensor, last_values: Tensor, dones: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation.

        delta_t = r_t + gamma (1 - done_t) V_{t+1} - V_t
        A_t     = delta_t + gamma lambda (1 - done_t) A_{t+1}

    Args:
        rewards: (T, N).
        values: (T, N).
        last_values: (N,) value of the state after the last step; unused where that step ended an
            episode.
        dones: (T, N) 1 where step t ended its episode.
        gamma: Discount, in [0, 1].
        lam: Trace decay, in [0, 1].

    Returns:
        Advantages and value targets A + V, both (T, N), detached.
    """
    with torch.no_grad():
        advantages = torch.zeros_like(rewards)
        following, carried = last_values, torch.zeros_like(last_values)
        for step in reversed(range(rewards.shape[0])):
            alive = 1 - dones[step]
            delta = rewards[step] + gamma * alive * following - values[step]
            carried = delta + gamma * lam * alive * carried
            advantages[step] = carried
            following = values[step]
        return advantages, advantages + values
