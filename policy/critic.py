"""The value function of PPO: classical whatever the actor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from policy.encoding import StateScaler


class Critic(nn.Module):
    """An MLP F -> 64 -> 64 -> 1 on the standardised state.

    Args:
        scaler: Standardises the state.
        generator: Draws the weights.
    """

    def __init__(self, scaler: StateScaler, generator: torch.Generator) -> None:
        super().__init__()
        self.scaler = scaler
        self.layers = nn.Sequential(
            _linear(scaler.num_features, 64, generator),
            nn.Tanh(),
            _linear(64, 64, generator),
            nn.Tanh(),
            _linear(64, 1, generator),
        )

    def forward(self, state: Tensor) -> Tensor:
        """Value (N,) of states (N, F)."""
        value: Tensor = self.layers(self.scaler(state))
        return value.squeeze(1)


def _linear(before: int, after: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.orthogonal_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
