from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from diffusion.environment import (
    EpisodeError,
    GuidanceEnvironment,
    draw_labels,
    draw_latents,
)
from diffusion.episodes import Playing, play, play_schedule
from diffusion.rewards import PAPER_REWARD, RewardConfig, total_variation
from diffusion.sampler import GuidedSampler
from diffusion.schedules import constant
from diffusion.solvers import DpmSolver
from tests.diffusion.conftest import GaussianMixtureDenoiser, LinearClassifier

N = 6
BUSY = RewardConfig(lambda_act=0.3, lambda_guidance=0.2, lambda_tv=0.4)
"""Every term weighs something."""


Start = tuple[Tensor, Tensor]
"""Latents and labels."""
Build = Callable[..., GuidanceEnvironment]


@pytest.fixture
def start() -> Start:
    return draw_latents(N, 0, (1, 16, 16)), draw_labels(N, 4)


@pytest.fixture
def build(sampler: GuidedSampler, proxy: LinearClassifier) -> Build:
    def make(
        reward: RewardConfig = BUSY, cfg_base: float = 3.0, **options: Any
    ) -> GuidanceEnvironment:
        return GuidanceEnvironment(sampler, proxy, reward, cfg_base, **options)

    return make


def act(step: int, states: Tensor) -> Tensor:
    return torch.linspace(-2.5, 2.5, states.shape[0]) * (1 if step % 2 else -0.5)


def _started(environment: GuidanceEnvironment, start: Start) -> GuidanceEnvironment:
    environment.reset(*start)
    return environment


def negative_square_error(images: Tensor, references: Tensor) -> Tensor:
    return (images - references).square().mean(dim=(1, 2, 3))


def brightness(images: Tensor, labels: Tensor) -> Tensor:
    """Takes bright pictures of early classes for real."""
    return images.mean(dim=(1, 2, 3)) - labels


def test_state_against_the_known_denoiser_and_classifier(
    build: Build, start: Start, denoiser: GaussianMixtureDenoiser, proxy: LinearClassifier
) -> None:
    latents, labels = start
    state = build().reset(latents, labels)
    noise = denoiser.predict(latents, 800, labels)[1]
    clean = (latents - (1 - denoiser.alpha_bar[800]).sqrt() * noise) / denoiser.alpha_bar[
        800
    ].sqrt()
    p = proxy(denoiser.decode(clean.clamp(-1, 1))).softmax(1)[torch.arange(N), labels]
    d = 256
    wanted = torch.stack(
        [
            torch.full((N,), 0.8),
            latents.flatten(1).norm(dim=1) / d**0.5,
            noise.flatten(1).norm(dim=1) / d**0.5,
            (latents * noise).flatten(1).sum(1) / d,
            torch.zeros(N),
            p,
        ],
        dim=1,
    )
    assert state.shape == (N, 6)
    assert_close(state, wanted, atol=1e-5, rtol=1e-4)


def test_noise_and_confidence_are_not_formulas_in_the_latent(build: Build, start: Start) -> None:
    """Other labels on the same latents change the noise's columns and p, not the latent's."""
    latents, labels = start
    environment = build()
    one, other = environment.reset(latents, labels), environment.reset(latents, (labels + 1) % 4)
    changed = (one - other).abs().max(dim=0).values > 1e-4
    assert changed.tolist() == [False, False, True, True, False, True]


def test_previous_action_in_the_state_is_the_clipped_one(build: Build, start: Start) -> None:
    environment = build()
    environment.reset(*start)
    result = environment.step(torch.tensor([-9.0, -2, -1, 0, 1, 9]))
    assert result.state[:, 4].tolist() == [-1, -1, -0.5, 0, 0.5, 1]
    assert result.guidance.tolist() == [1, 1, 2, 3, 4, 5]
    assert result.terms["action"][0] == pytest.approx(-0.3 / 5 * 4)


def test_an_action_beyond_the_range_counts_as_what_was_applied(build: Build, start: Start) -> None:
    asked = torch.tensor([-9.0, -2, -1, 0, 1, 9])
    applied, as_asked = build(cfg_base=1.5), build(cfg_base=1.5, previous_action="asked")
    for environment in (applied, as_asked):
        environment.reset(*start)
    result, before = applied.step(asked), as_asked.step(asked)
    assert applied.action_range == (-0.5, 2.0)
    assert result.guidance.tolist() == before.guidance.tolist() == [1, 1, 1, 1.5, 2.5, 3.5]
    assert_close(result.state[:, 4], (result.guidance - 1.5) / 2)
    assert_close(result.terms["action"], -0.3 / 5 * (result.guidance - 1.5).square())
    assert before.state[:3, 4].tolist() == [-1, -1, -0.5]


def test_one_forward_per_step_and_none_after_the_last(
    build: Build, start: Start, denoiser: GaussianMixtureDenoiser
) -> None:
    environment = build()
    environment.reset(*start)
    for step in range(environment.num_steps):
        assert denoiser.calls == step + 1
        environment.step(torch.zeros(N))
    assert denoiser.calls == environment.num_steps


def test_full_episode_ends_with_the_terminal_reward(
    build: Build, start: Start, proxy: LinearClassifier
) -> None:
    environment = build()
    environment.reset(*start)
    results = [environment.step(torch.zeros(N)) for _ in range(environment.num_steps)]
    assert [r.done for r in results] == [False] * 4 + [True]
    log_p = proxy(environment.final_images).log_softmax(1)[torch.arange(N), start[1]]
    assert_close(environment.final_log_probability, log_p)
    assert_close(results[-1].terms["terminal"], BUSY.terminal(log_p))
    assert (results[-1].terms["terminal"] < 0).all()
    for result in results[:-1]:
        assert not result.terms["terminal"].any()
        assert not result.terms["tv"].any()
    for result in results:
        assert_close(result.reward, sum(result.terms.values()))


def test_confidence_gains_sum_to_the_rise_of_confidence(build: Build, start: Start) -> None:
    environment = build(RewardConfig(beta=0.7))
    episode = play(environment, *start, act)
    rise = episode.log_probability.exp() - episode.states[0, :, 5]
    assert_close(episode.terms["step_gain"], 0.7 * rise, atol=1e-5, rtol=1e-4)


def test_episode_equals_the_sampler_under_the_same_guidance(
    build: Build, start: Start, sampler: GuidedSampler, denoiser: GaussianMixtureDenoiser
) -> None:
    environment = build()
    episode = play(environment, *start, act)
    assert_close(episode.images, denoiser.decode(sampler.sample(*start, episode.guidance)))
    again = play_schedule(environment, *start, episode.guidance)
    assert_close(again.images, episode.images)
    assert_close(again.guidance, episode.guidance)


def test_an_episode_of_second_order_equals_its_sampler_and_goes_on_in_the_middle(
    proxy: LinearClassifier, start: Start, denoiser: GaussianMixtureDenoiser
) -> None:
    sampler = GuidedSampler(denoiser, 5, solver=DpmSolver())
    environment = GuidanceEnvironment(sampler, proxy, BUSY, 3.0)
    episode = play(environment, *start, act)
    assert_close(episode.images, denoiser.decode(sampler.sample(*start, episode.guidance)))
    playing = Playing.start(environment, *start)
    for step in range(3):
        playing.advance(act(step, playing.state))
    again = Playing.restore(GuidanceEnvironment(sampler, proxy, BUSY, 3.0), playing.tensors())
    for step in range(3, 5):
        again.advance(act(step, again.state))
    assert torch.equal(again.episode().images, episode.images)


def test_episodes_do_not_depend_on_the_batch(build: Build, start: Start) -> None:
    whole, parts = (play(build(), *start, lambda i, s: s[:, 5] - 0.5, batch_size=b) for b in (N, 4))
    for field in dataclasses.fields(whole):
        assert_close(getattr(whole, field.name), getattr(parts, field.name), atol=1e-5, rtol=1e-4)


def test_realism_is_paid_once_for_the_final_picture(build: Build, start: Start) -> None:
    one = play(build(BUSY), *start, act)
    priced = dataclasses.replace(BUSY, realism=0.5)
    environment = build(priced, discriminator=brightness)
    other = play(environment, *start, act)
    ratio = brightness(environment.final_images, start[1])
    assert_close(other.terms["realism"], 0.5 * ratio)
    assert_close(other.returns, one.returns + 0.5 * ratio)
    assert "realism" not in one.terms
    environment.reset(*start)
    assert not environment.step(torch.zeros(N)).terms["realism"].any()


@pytest.mark.parametrize(("realism", "given"), [(0.5, {}), (0.0, {"discriminator": brightness})])
def test_a_discriminator_is_there_where_realism_has_a_price_alone(
    build: Build, realism: float, given: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"realism is {realism:g}, and discriminator is"):
        build(RewardConfig(realism=realism), **given)


def test_latents_depend_on_seed_and_episode_alone() -> None:
    whole = draw_latents(10, 3, (1, 4, 4))
    assert torch.equal(draw_latents(4, 3, (1, 4, 4), first=6), whole[6:])
    assert not torch.equal(draw_latents(10, 4, (1, 4, 4)), whole)
    assert len({tuple(row.flatten().tolist()) for row in whole}) == 10
    assert torch.equal(draw_labels(4, 3, first=6), draw_labels(10, 3)[6:])
    # Seeds that agree in their lower 32 bits must still differ.
    assert not torch.equal(draw_latents(1, 2**32, (1, 4, 4)), draw_latents(1, 0, (1, 4, 4)))


def test_latents_are_standard_normal() -> None:
    latents = draw_latents(1000, 0, (1, 16, 16))
    assert abs(latents.mean()) < 5 / 256000**0.5
    assert abs(latents.var() - 1) < 5 * (2 / 256000) ** 0.5


CHANGED: dict[str, Any] = {
    "alpha": 2.0, "log_cap": 0.3, "beta": 0.9, "step_gain": "ssim", "lambda_act": 0.1,
    "lambda_act_mode": "step", "lambda_guidance": 0.5, "guidance_price": "square",
    "guidance_center": 2.0, "lambda_tv": 0.1, "lambda_tv_mode": "step",
    "realism": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(RewardConfig)])
def test_every_reward_field_changes_the_reward(build: Build, start: Start, field: str) -> None:
    one = play(build(BUSY), *start, act)
    changed = dataclasses.replace(BUSY, **{field: CHANGED[field]})
    told = {"discriminator": brightness} if changed.needs_discriminator else {}
    other = play(build(changed, **told), *start, act)
    assert_close(one.images, other.images)
    assert (one.returns - other.returns).abs().max() > 1e-3


@pytest.mark.parametrize(
    "option", [{"cfg_base": 4.0}, {"guidance_range": (2.0, 4.0)}, {"action_limit": 1.0}]
)
def test_every_option_changes_the_guidance(
    build: Build, start: Start, option: dict[str, Any]
) -> None:
    one, other = play(build(), *start, act), play(build(**option), *start, act)
    assert not torch.allclose(one.guidance, other.guidance)


def test_gains_towards_the_picture_under_the_base_guidance(
    build: Build, start: Start, sampler: GuidedSampler, denoiser: GaussianMixtureDenoiser
) -> None:
    base = denoiser.decode(sampler.sample(*start, 3.0))
    lpips_like = build(RewardConfig(step_gain="lpips", beta=1.0), distance=negative_square_error)
    noise = sampler.predict(start[0], 0, start[1]).eps_cond
    first = denoiser.decode(sampler.predicted_clean(start[0], 0, noise))
    episode = play(lpips_like, *start, act)
    gain = negative_square_error(first, base) - negative_square_error(episode.images, base)
    assert_close(episode.terms["step_gain"], gain, atol=1e-5, rtol=1e-3)
    # a = 0 ends on the reference itself: similarity 1.
    environment = build(RewardConfig(step_gain="ssim", beta=1.0))
    still = play(environment, *start, lambda _, s: torch.zeros(s.shape[0]))
    assert_close(still.images, base)
    assert (still.terms["step_gain"] > 0).all()


@pytest.mark.parametrize("gain", ["lpips", "ssim"])
def test_a_gain_that_weighs_nothing_costs_no_second_trajectory(
    build: Build, start: Start, denoiser: GaussianMixtureDenoiser, gain: Any
) -> None:
    environment = build(RewardConfig(step_gain=gain, beta=0.0))
    episode = play(environment, *start, act)
    assert denoiser.calls == environment.num_steps
    assert "references" not in _started(environment, start).tensors()
    assert not episode.terms["step_gain"].any()
    assert_close(episode.returns, play(build(RewardConfig(beta=0.0)), *start, act).returns)
    with pytest.raises(ValueError, match="with beta 0, and distance is"):
        build(RewardConfig(step_gain="lpips", beta=0.0), distance=negative_square_error)


def test_variation_may_be_charged_at_every_step(build: Build, start: Start) -> None:
    environment = build(RewardConfig(lambda_tv=0.5, lambda_tv_mode="step"))
    environment.reset(*start)
    for _ in range(environment.num_steps):
        tv = environment.step(torch.zeros(N)).terms["tv"]
        assert (tv < 0).all()
    assert_close(tv, -0.5 * total_variation(environment.final_images))


def test_states_can_train_a_network(build: Build, start: Start) -> None:
    """Nothing in a state may forbid a policy's gradient."""
    layer = torch.nn.Linear(6, 1)
    layer(build().reset(*start)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    actions=st.lists(st.floats(-1e6, 1e6, width=32), min_size=N, max_size=N),
    base=st.floats(1, 12), limit=st.floats(0.01, 20),
)  # fmt: skip
def test_guidance_and_reward_stay_in_range(
    build: Build, actions: list[float], base: float, limit: float
) -> None:
    environment = build(PAPER_REWARD, base, action_limit=limit)
    environment.reset(draw_latents(N, 0, (1, 16, 16)), draw_labels(N, 4))
    for _ in range(environment.num_steps):
        result = environment.step(torch.tensor(actions))
        assert ((result.guidance >= 1) & (result.guidance <= 12)).all()
        assert ((result.guidance - base).abs() <= limit + 1e-4).all()
        assert torch.isfinite(result.state).all()
        assert ((result.state[:, 5] >= 0) & (result.state[:, 5] <= 1 + 1e-6)).all()
        assert (result.reward <= 0.2 + 1e-6).all()
        assert torch.isfinite(result.reward).all()


def test_impossible_episodes_are_refused(
    build: Build, sampler: GuidedSampler, proxy: LinearClassifier, start: Start
) -> None:
    latents, labels = start
    environment = build()
    with pytest.raises(EpisodeError, match="call reset"):
        environment.step(torch.zeros(N))
    with pytest.raises(ValueError, match="latents have shape"):
        environment.reset(latents[:, :, :8], labels)
    with pytest.raises(ValueError, match="need int64"):
        environment.reset(latents, labels.float())
    with pytest.raises(ValueError, match="need 0 to 3"):
        environment.reset(latents, labels + 4)
    environment.reset(latents, labels)
    with pytest.raises(ValueError, match="actions have shape"):
        environment.step(torch.zeros(N, 1))
    with pytest.raises(ValueError, match="not finite"):
        environment.step(torch.full((N,), torch.nan))
    with pytest.raises(EpisodeError, match="0 of 5"):
        _ = environment.final_images
    for _ in range(5):
        environment.step(torch.zeros(N))
    with pytest.raises(EpisodeError, match="has ended"):
        environment.step(torch.zeros(N))
    with pytest.raises(ValueError, match="cfg_base is"):
        build(cfg_base=0.5)
    with pytest.raises(ValueError, match="action_limit"):
        build(action_limit=0)
    with pytest.raises(ValueError, match="distance"):
        build(RewardConfig(step_gain="lpips"))
    with pytest.raises(ValueError, match="distance"):
        build(distance=negative_square_error)
    with pytest.raises(ValueError, match="training mode"):
        GuidanceEnvironment(sampler, proxy.train(), BUSY, 3.0)


def test_constant_schedule_is_action_zero_at_the_base(build: Build, start: Start) -> None:
    one = play_schedule(build(), *start, constant(5, 3.0))
    other = play(build(), *start, lambda _, s: torch.zeros(s.shape[0]))
    assert_close(one.returns, other.returns)


def test_a_widened_environment_reaches_its_whole_range_and_changes_nothing_else(
    build: Build, start: Start
) -> None:
    narrow = build(RewardConfig(step_gain="lpips"), distance=negative_square_error)
    wide = narrow.widened()
    asked = torch.tensor([-20.0, 1.0, 20.0])
    low, high = narrow.guidance_range
    assert wide.guidance_of(asked).tolist() == [low, narrow.cfg_base + 1, high]
    assert narrow.guidance_of(asked)[2] == narrow.cfg_base + narrow.action_limit < high
    for name in ("sampler", "proxy", "reward", "cfg_base", "guidance_range", "distance"):
        assert getattr(wide, name) is getattr(narrow, name), name
    one, other = (play(each, *start, lambda _, s: s[:, 5] - 0.5) for each in (narrow, wide))
    assert_close(one.returns, other.returns)


def test_what_is_taken_up_goes_where_the_networks_are(
    build: Build, start: Start, sampler: GuidedSampler, denoiser: GaussianMixtureDenoiser
) -> None:
    playing = Playing.start(build(), *start)
    playing.advance(act(0, playing.state))
    elsewhere = LinearClassifier(denoiser.means).to("meta").eval()
    environment = GuidanceEnvironment(sampler, elsewhere, BUSY, 3.0)
    again = Playing.restore(environment, playing.tensors())
    assert environment.moment.latents.device.type == "meta"
    assert environment.tensors()["labels"].device.type == "meta"
    assert again.state.device.type == "cpu", "a policy acts on the processor"


def test_a_finished_episode_keeps_what_its_pictures_were_decoded_from(
    build: Build, start: Start, denoiser: GaussianMixtureDenoiser
) -> None:
    episode = play(build(), *start, act)
    assert torch.equal(episode.images, denoiser.decode(episode.latents))
    with pytest.raises(EpisodeError, match="0 of 5 steps done"):
        _ = _started(build(), start).final_latents
