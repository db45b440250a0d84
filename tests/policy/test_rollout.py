from __future__ import annotations

import pytest
import torch

from policy import Rollout, gae


def test_advantages_are_those_computed_by_hand() -> None:
    rewards = torch.tensor([[1.0], [0.0], [2.0]])
    values = torch.tensor([[0.5], [0.2], [0.1]])
    dones = torch.tensor([[0.0], [0.0], [1.0]])
    advantages, targets = gae(rewards, values, torch.tensor([9.0]), dones, 0.9, 0.8)
    # delta_2 = 2 - .1 = 1.9; delta_1 = 0 + .9 * .1 - .2 = -.11; delta_0 = 1 + .9 * .2 - .5 = .68
    # A_2 = 1.9; A_1 = -.11 + .72 * 1.9 = 1.258; A_0 = .68 + .72 * 1.258 = 1.58576
    assert advantages[:, 0].tolist() == pytest.approx([1.58576, 1.258, 1.9])
    assert targets[:, 0].tolist() == pytest.approx([2.08576, 1.458, 2.0])


def test_an_episode_ends_where_done_says() -> None:
    rewards = torch.tensor([[1.0], [4.0]])
    values = torch.tensor([[0.5], [3.0]])
    first_ends = torch.tensor([[1.0], [0.0]])
    advantages, _ = gae(rewards, values, torch.tensor([2.0]), first_ends, 0.5, 1.0)
    # A_0 = 1 - .5: nothing of the next episode. A_1 = 4 + .5 * 2 - 3: bootstrapped.
    assert advantages[:, 0].tolist() == pytest.approx([0.5, 2.0])


def test_advantages_carry_no_gradient() -> None:
    values = torch.rand(4, 2, requires_grad=True)
    advantages, targets = gae(torch.rand(4, 2), values, torch.zeros(2), torch.zeros(4, 2), 0.9, 0.9)
    assert not advantages.requires_grad
    assert not targets.requires_grad


def make(**changes: torch.Tensor) -> Rollout:
    columns = {name: torch.zeros(3, 2) for name in ("actions", "log_probs", "values", "rewards")}
    dones = torch.zeros(3, 2)
    dones[-1] = 1
    return Rollout(**{"states": torch.zeros(3, 2, 6), "dones": dones, **columns, **changes})


def test_a_rollout_sums_its_returns_and_counts_its_transitions() -> None:
    rollout = make(rewards=torch.tensor([[1.0, 0.0], [2.0, 0.5], [0.0, 0.5]]))
    assert rollout.returns.tolist() == [3.0, 1.0]
    assert rollout.size == 6


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"states": torch.zeros(3, 1, 6)}, "differ"),
        ({"rewards": torch.zeros(2, 2)}, "rewards has shape"),
        ({"dones": torch.zeros(3, 2)}, "collect whole episodes"),
    ],
)
def test_rollouts_that_do_not_fit_are_refused(changes: dict[str, torch.Tensor], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make(**changes)
