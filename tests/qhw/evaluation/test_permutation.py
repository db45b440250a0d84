"""Permuting a column takes away what it told, and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from policy import Actor
from qhw.config import parse_config
from qhw.evaluation.judges import evaluation_latents
from qhw.evaluation.permutation import permutation_losses, permuted
from qhw.training.player import Player


class Rule(Actor):
    """The confidence rule as a policy: a = 3 (1 - p) - 1, whatever else it is told."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column

    def parameters_of(self, state: Tensor) -> Tensor:
        mean = 3 * (1 - state[:, self.column]) - 1
        return torch.stack([mean, torch.zeros_like(mean)], dim=1)


def test_one_column_is_mixed_among_the_images_and_the_rest_stays() -> None:
    seen: list[Tensor] = []
    state = torch.rand(50, 3)

    def listening(_step: int, told: Tensor) -> Tensor:
        seen.append(told)
        return told[:, 0]

    act = permuted(listening, 1)
    act(0, state)
    act(1, state)
    for told in seen:
        assert torch.equal(told[:, [0, 2]], state[:, [0, 2]])
        assert not torch.equal(told[:, 1], state[:, 1])
        assert torch.equal(told[:, 1].sort().values, state[:, 1].sort().values)
    assert not torch.equal(seen[0][:, 1], seen[1][:, 1]), "anew at every step"


def test_a_policy_loses_where_it_listens() -> None:
    player = Player(
        parse_config(
            {
                "actor": {"kind": "mlp_matched"},
                "environment": {"steps": 4},
                "state": {"features": ["time", "confidence"]},
            }
        )
    )
    player.actor = Rule(1)
    losses = permutation_losses(player, evaluation_latents(player.bundle, 200))
    assert list(losses) == ["time", "confidence"]
    assert losses["time"].estimate == 0
    assert losses["confidence"].low > 0
