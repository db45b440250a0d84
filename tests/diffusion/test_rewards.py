from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.rewards import (
    PAPER_REWARD,
    PRICE_FORMS,
    REALISM_REWARD,
    WEIGHT_OF,
    RewardConfig,
    total_variation,
)

weights = st.floats(0, 10)


def test_the_presets_are_what_they_are_called() -> None:
    assert (PAPER_REWARD.alpha, PAPER_REWARD.beta, PAPER_REWARD.lambda_act) == (1.0, 0.2, 5e-3)
    assert PAPER_REWARD.log_cap is None
    assert PAPER_REWARD.lambda_act_mode == "step"
    assert PAPER_REWARD.lambda_guidance == PAPER_REWARD.lambda_tv == 0
    assert RewardConfig().lambda_guidance > 0
    assert RewardConfig().log_cap == 0.9
    assert replace(RewardConfig(), beta=0.0) in PRICE_FORMS.values()
    assert (REALISM_REWARD.realism, REALISM_REWARD.lambda_guidance, REALISM_REWARD.beta) == (
        0.2, 0, 0
    )  # fmt: skip


def test_round_trip_through_a_mapping() -> None:
    every_step = RewardConfig(lambda_tv=0.1, lambda_tv_mode="step")
    rewards = (RewardConfig(), PAPER_REWARD, REALISM_REWARD, every_step, *PRICE_FORMS.values())
    for reward in rewards:
        assert RewardConfig(**reward.record()) == reward


def test_what_is_written_of_a_reward_is_as_it_was_before_variation_had_a_mode() -> None:
    assert list(RewardConfig().record()) == [
        "alpha", "log_cap", "beta", "step_gain", "lambda_act", "lambda_act_mode",
        "lambda_guidance", "guidance_price", "guidance_center", "lambda_tv",
    ]  # fmt: skip


def test_what_shapes_a_term_and_its_weight_are_fields() -> None:
    names = {field.name for field in dataclasses.fields(RewardConfig)}
    assert set(WEIGHT_OF) | set(WEIGHT_OF.values()) | {"realism"} == names


def test_terminal_is_capped() -> None:
    log_p = torch.tensor([0.95, 0.9, 0.5]).log()
    assert torch.allclose(RewardConfig().terminal(log_p).exp(), torch.tensor([0.9, 0.9, 0.5]))
    assert torch.equal(PAPER_REWARD.terminal(log_p), log_p)


def test_costs_are_those_computed_by_hand() -> None:
    reward = RewardConfig(lambda_act=0.5, lambda_guidance=0.2, guidance_center=2.0)
    assert reward.action_cost(torch.tensor([2.0]), 4).item() == pytest.approx(-0.5)
    every = dataclasses.replace(reward, lambda_act_mode="step")
    assert every.action_cost(torch.tensor([2.0]), 4).item() == pytest.approx(-2.0)
    assert reward.guidance_cost(torch.tensor([5.0]), 4).item() == pytest.approx(-0.15)
    square = dataclasses.replace(reward, guidance_price="square")
    assert square.guidance_cost(torch.tensor([5.0]), 4).item() == pytest.approx(-0.45)


def test_total_variation_is_that_computed_by_hand() -> None:
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).reshape(1, 1, 2, 2)
    ramp = torch.tensor([[0.0, 0.5], [0.0, 0.5]]).reshape(1, 1, 2, 2)
    assert total_variation(torch.cat([board, ramp])).tolist() == [2.0, 0.5]


def test_variation_is_charged_at_the_end_or_at_every_step() -> None:
    ramp = torch.tensor([[0.0, 0.5], [0.0, 0.5]]).reshape(1, 1, 2, 2)
    end = RewardConfig(lambda_tv=0.2)
    step = dataclasses.replace(end, lambda_tv_mode="step")
    assert end.variation_cost(ramp, last=False).item() == 0
    assert step.variation_cost(ramp, last=False).item() == pytest.approx(-0.1)
    for reward in (end, step):
        assert reward.variation_cost(ramp, last=True).item() == pytest.approx(-0.1)


def test_a_reference_is_approached_only_where_that_counts() -> None:
    assert RewardConfig(step_gain="lpips").needs_distance
    assert RewardConfig(step_gain="ssim").approaches
    assert not RewardConfig(step_gain="ssim").needs_distance
    for reward in (RewardConfig(), RewardConfig(step_gain="lpips", beta=0.0)):
        assert not reward.approaches and not reward.needs_distance


rewards = st.builds(
    RewardConfig,
    alpha=weights,
    log_cap=st.floats(1e-3, 1),
    lambda_act=weights,
    lambda_act_mode=st.sampled_from(["mean", "step"]),
    lambda_guidance=weights,
    guidance_price=st.sampled_from(["abs", "square"]),
    guidance_center=st.floats(1, 12),
    lambda_tv=weights,
    lambda_tv_mode=st.sampled_from(["end", "step"]),
)


@given(rewards, st.floats(-60, 0), st.floats(-2, 2), st.floats(1, 12), st.integers(1, 100))
def test_every_term_is_at_most_zero_and_bounded(
    reward: RewardConfig, log_p: float, action: float, guidance: float, steps: int
) -> None:
    def value(term: torch.Tensor) -> float:
        return term.item()

    assert reward.log_cap is not None
    terminal = value(reward.terminal(torch.tensor([log_p])))
    assert -60.01 * reward.alpha <= terminal <= reward.alpha * math.log(reward.log_cap) + 1e-4
    share = steps if reward.lambda_act_mode == "mean" else 1
    cost = value(reward.action_cost(torch.tensor([action]), steps))
    assert -4.001 * reward.lambda_act / share - 1e-6 <= cost <= 0
    price = value(reward.guidance_cost(torch.tensor([guidance]), steps))
    assert -121.1 * reward.lambda_guidance / steps - 1e-6 <= price <= 0
    for last in (False, True):
        variation = value(reward.variation_cost(torch.rand(1, 1, 4, 4), last))
        assert -2 * reward.lambda_tv <= variation <= 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": -1.0}, {"beta": math.nan}, {"lambda_act": math.inf}, {"log_cap": 0.0},
        {"log_cap": 1.5}, {"step_gain": "psnr"}, {"lambda_act_mode": "sum"},
        {"guidance_price": "cube"}, {"guidance_center": math.nan}, {"lambda_tv_mode": "mean"},
    ],
)  # fmt: skip
def test_refusals_name_field_and_value(wrong: dict[str, Any]) -> None:
    (name, value), = wrong.items()  # fmt: skip
    with pytest.raises(ValueError, match=f"{name} is .*{value}"):
        RewardConfig(**wrong)
