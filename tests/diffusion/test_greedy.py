"""Greedy feedback takes the scale of the best predicted picture, and asks the denoiser no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from diffusion.bundle import Bundle, load_bundle
from diffusion.discriminator import load_discriminator
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.greedy import Greedy
from diffusion.headroom import Candidate, play_candidate
from diffusion.rewards import PRICE_FORMS
from diffusion.sampler import NoisePrediction

LATENTS = 6


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture
def environment(bundle: Bundle) -> GuidanceEnvironment:
    reward = PRICE_FORMS["(g - 1)^2"]
    return GuidanceEnvironment(bundle.sampler(4), bundle.proxy, reward, cfg_base=1.75)


def test_scales_are_spread_over_what_the_policy_can_reach(environment: GuidanceEnvironment) -> None:
    greedy = Greedy.over_range(environment, 0.1)
    assert len(greedy.scales) == 7
    assert (greedy.scales[0], greedy.scales[-1]) == (1.0, 3.75), "1.75 - 2 is clipped at 1"
    gaps = torch.tensor(greedy.scales).diff()
    assert gaps.tolist() == pytest.approx([2.75 / 6] * 6, abs=1e-3)


def test_the_choice_is_the_formula_s(bundle: Bundle, environment: GuidanceEnvironment) -> None:
    latents = draw_latents(LATENTS, 3, bundle.denoiser.sample_shape)
    labels = draw_labels(LATENTS, 10)
    environment.reset(latents, labels)
    greedy = Greedy((1.0, 2.5, 4.0), weight=0.02)
    prediction, sampler = environment.sampler.predict(latents, 0, labels), environment.sampler
    level = sampler.level(0)
    wanted = []
    for image in range(LATENTS):
        scores = []
        for scale in greedy.scales:
            cond, uncond = prediction.eps_cond[image], prediction.eps_uncond[image]
            noise = uncond + scale * (cond - uncond)
            clean = (latents[image] - level.sigma * noise) / level.alpha
            with torch.no_grad():
                logits = bundle.proxy(bundle.denoiser.decode(clean.clamp(-1, 1)[None]))
            log_p = float(logits.log_softmax(1)[0, labels[image]])
            scores.append(min(log_p, math.log(0.9)) - 0.02 * (scale - 1) ** 2)
        wanted.append(greedy.scales[scores.index(max(scores))])
    assert len(set(wanted)) > 1, "all the same would tell little"
    assert greedy.guidance(environment).tolist() == wanted


@pytest.mark.parametrize("realism", [0.0, 0.7])
def test_what_is_foreseen_at_the_last_step_comes_true(
    bundle: Bundle, environment: GuidanceEnvironment, realism: float
) -> None:
    if realism:
        reward = replace(environment.reward, realism=realism)
        discriminator = load_discriminator(bundle)
        environment = replace(environment, reward=reward, discriminator=discriminator)
    latents = draw_latents(LATENTS, 3, bundle.denoiser.sample_shape)
    environment.reset(latents, draw_labels(LATENTS, 10))
    for _ in range(environment.num_steps - 1):
        environment.step(torch.zeros(LATENTS))
    images, paid = environment.foreseen_images(2.5), environment.foresee(2.5)
    result = environment.step(torch.full((LATENTS,), 2.5 - environment.cfg_base))
    torch.testing.assert_close(environment.final_images, images)
    earned = result.terms["terminal"] + result.terms.get("realism", 0)
    torch.testing.assert_close(earned, paid)


def test_a_dear_price_leaves_the_cheapest_scale(
    bundle: Bundle, environment: GuidanceEnvironment
) -> None:
    latents = draw_latents(LATENTS, 3, bundle.denoiser.sample_shape)
    episode = Greedy((1.0, 2.0, 3.0), weight=1e6).play(
        environment.widened(), latents, draw_labels(LATENTS, 10)
    )
    assert set(episode.guidance.flatten().tolist()) == {1.0}


def test_the_denoiser_is_asked_no_more_than_for_a_constant(
    bundle: Bundle, environment: GuidanceEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    sampler = environment.sampler
    predict: Callable[..., NoisePrediction] = sampler.predict

    def counted(latents: torch.Tensor, step: int, labels: torch.Tensor) -> NoisePrediction:
        asked.append(step)
        return predict(latents, step, labels)

    monkeypatch.setattr(sampler, "predict", counted)
    drawn = draw_latents(LATENTS, 3, bundle.denoiser.sample_shape), draw_labels(LATENTS, 10)
    play_candidate(environment.widened(), Candidate(2.0), *drawn)
    for_constant = list(asked)
    asked.clear()
    Greedy.over_range(environment, 0.01).play(environment.widened(), *drawn)
    assert asked == for_constant == [0, 1, 2, 3]
