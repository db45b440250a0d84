"""FBG's formulas against numbers by hand."""

from __future__ import annotations

import math

import pytest
import torch

from diffusion.bundle import Bundle, load_bundle
from diffusion.environment import GuidanceEnvironment, Moment, draw_labels, draw_latents
from diffusion.feedback_guidance import FeedbackGuidance, noise_to_signal, variance
from diffusion.sampler import GuidedSampler, NoisePrediction

METHOD = FeedbackGuidance(purity=0.9, start=0.5, focus=0.4, most=10.0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture(scope="module")
def sampler(bundle: Bundle) -> GuidedSampler:
    return bundle.sampler(10)


def test_guidance_by_hand() -> None:
    """g = e^L / (e^L - .1): 1 / .9 for L = 0, and 3 for e^L = .15."""
    levels = torch.tensor([0.0, math.log(0.15)])
    assert METHOD.guidance(levels).tolist() == pytest.approx([1 / 0.9, 3.0], rel=1e-4)


def test_without_feedback_guidance_is_three_at_the_start_time() -> None:
    assert METHOD.drift(10) == pytest.approx(math.log(0.15) / 5)
    fallen = torch.tensor([METHOD.drift(10) * 5])
    assert METHOD.guidance(fallen).item() == pytest.approx(3.0, rel=1e-4)


def test_variance_and_temperature_by_hand(sampler: GuidedSampler) -> None:
    high, low = noise_to_signal(sampler, 6), noise_to_signal(sampler, 7)
    wanted = (high**2 - low**2) * low**2 / high**2
    assert variance(sampler, 6) == pytest.approx(wanted)
    assert METHOD.temperature(sampler) == pytest.approx(abs(2 * wanted * METHOD.drift(10) / 10))


def test_the_update_by_hand(sampler: GuidedSampler) -> None:
    """A step that ended where the label said lowers L less than one that ended elsewhere."""
    shape = (1, *sampler.denoiser.sample_shape)
    zero, noise = torch.zeros(shape), torch.full(shape, 0.1)
    before = Moment(6, zero, NoisePrediction(eps_uncond=zero, eps_cond=noise))
    after = Moment(7, torch.full(shape, -0.05), NoisePrediction(zero, zero))
    at, to = sampler.level(6), sampler.level(7)
    kept = (to.sigma / to.alpha) ** 2 / (at.sigma / at.alpha) ** 2
    mean = (1 - kept) * -0.1 * at.sigma / at.alpha
    there, size = -0.05 / to.alpha, math.prod(shape)
    misses = size * ((there - mean) ** 2 - there**2)
    weight = METHOD.temperature(sampler) / (2 * variance(sampler, 6))
    wanted = -weight * misses + METHOD.drift(10)
    moved = METHOD.updated(torch.zeros(1), sampler, before, after)
    assert moved.item() == pytest.approx(wanted, rel=1e-4)
    assert wanted > METHOD.drift(10), "the label explains the path better than none"


def test_guidance_stays_between_one_and_the_most(bundle: Bundle) -> None:
    card = bundle.card
    environment = GuidanceEnvironment(bundle.sampler(6), bundle.proxy, card.reward, card.cfg_base)
    drawn = draw_latents(8, 0, bundle.denoiser.sample_shape), draw_labels(8, 10)
    episode = METHOD.play(environment.widened(), *drawn)
    assert episode.guidance[0].tolist() == pytest.approx([1 / 0.9] * 8, rel=1e-4)
    assert float(episode.guidance.min()) >= 1.0
    assert float(episode.guidance.max()) <= 10.01
    assert float(episode.guidance.std(dim=1).max()) > 0, "images differ"
