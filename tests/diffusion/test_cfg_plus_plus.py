"""CFG++ by hand, and where it is plain guidance under another name."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from diffusion.bundle import Bundle, load_bundle
from diffusion.cfg_plus_plus import CfgPlusPlusSampler, cfg_plus_plus_step
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.episodes import play_schedule
from diffusion.sampler import GuidedSampler, NoisePrediction
from diffusion.solvers import Ddim, DpmSolver, Level, Solver

SOLVERS: list[Solver] = [Ddim(), Ddim("trailing"), DpmSolver()]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


def test_one_pixel_by_hand() -> None:
    """D = .2 + .5 (.6 - .2) = .4, eps_u = (1 - .6 * .2) / .8 = 1.1, x' = .8 * .4 + .6 * 1.1."""
    latents, clean, unguided = (torch.full((1, 1, 1, 1), value) for value in (1.0, 0.4, 0.2))
    span = Level(0.6, 0.8), Level(0.8, 0.6)
    stepped = cfg_plus_plus_step(latents, clean, unguided, unguided, span)
    assert stepped.item() == pytest.approx(0.98)


def test_the_share_of_guidance_by_hand(bundle: Bundle) -> None:
    sampler = CfgPlusPlusSampler.like(bundle.sampler(4))
    ratios = [sampler.level(step).sigma / sampler.level(step).alpha for step in range(4)]
    assert sampler.share(1) == pytest.approx(1 - ratios[2] / ratios[1])
    assert sampler.share(3) == 1.0
    wanted = [0.6 / (1 - after / at) for at, after in zip(ratios, [*ratios[1:], 0.0], strict=True)]
    assert sampler.schedule(0.6).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_clipping_a_first_step_is_plain_guidance(bundle: Bundle, solver: Solver) -> None:
    plain = bundle.sampler(5, solver)
    plain = GuidedSampler(plain.denoiser, 5, clip_sample=False, solver=solver)
    sampler = CfgPlusPlusSampler.like(plain)
    latents = draw_latents(3, 0, bundle.denoiser.sample_shape)
    prediction = plain.predict(latents, 0, draw_labels(3, 10))
    guidance = torch.tensor([0.5, 1.0, 3.0])
    ours, _ = sampler.step(latents, 0, prediction, guidance)
    theirs, _ = plain.step(latents, 0, prediction, guidance)
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_guidance_is_the_unguided_sampler(bundle: Bundle, solver: Solver) -> None:
    plain = bundle.sampler(5, solver)
    sampler = CfgPlusPlusSampler.like(plain)
    latents, labels = draw_latents(3, 0, bundle.denoiser.sample_shape), draw_labels(3, 10)
    unguided = sampler.sample(latents, labels, 0.0)
    torch.testing.assert_close(unguided, plain.sample(latents, labels, 0.0), rtol=1e-3, atol=1e-3)


def test_the_last_step_ends_at_the_interpolated_picture(bundle: Bundle) -> None:
    sampler = CfgPlusPlusSampler.like(bundle.sampler(4))
    latents = draw_latents(2, 0, bundle.denoiser.sample_shape) / 10
    noise = draw_latents(4, 1, bundle.denoiser.sample_shape)
    prediction = NoisePrediction(noise[:2], noise[2:])
    ended, _ = sampler.step(latents, 3, prediction, torch.tensor([0.5, 0.5]))
    level = sampler.level(3)
    uncond, cond = ((latents - level.sigma * part) / level.alpha for part in (noise[:2], noise[2:]))
    torch.testing.assert_close(ended, ((uncond + cond) / 2).clamp(-1, 1))


def test_it_plays_in_an_environment_and_is_charged_for_its_scales(bundle: Bundle) -> None:
    card, sampler = bundle.card, CfgPlusPlusSampler.like(bundle.sampler(4))
    environment = GuidanceEnvironment(sampler, bundle.proxy, card.reward, card.cfg_base)
    environment = replace(environment, guidance_range=(0.0, 1e3), action_limit=1e3)
    schedule = sampler.schedule(1.0)
    drawn = draw_latents(4, 0, bundle.denoiser.sample_shape), draw_labels(4, 10)
    episode = play_schedule(environment, *drawn, schedule)
    torch.testing.assert_close(episode.guidance, schedule[:, None].expand(4, 4))
    charged = -card.reward.lambda_guidance * float(card.reward.guidance_distance(schedule).mean())
    assert math.isclose(float(episode.terms["guidance"][0]), charged, rel_tol=1e-4)


def test_a_second_step_needs_what_the_first_one_predicted(bundle: Bundle) -> None:
    sampler = CfgPlusPlusSampler.like(bundle.sampler(5, DpmSolver()))
    latents = draw_latents(3, 0, bundle.denoiser.sample_shape)
    prediction = sampler.predict(latents, 1, draw_labels(3, 10))
    with pytest.raises(ValueError, match="step 1 of DPM-Solver"):
        sampler.step(latents, 1, prediction, torch.ones(3))
