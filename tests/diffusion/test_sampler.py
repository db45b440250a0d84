from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DModel
from torch import Tensor
from torch.testing import assert_close

from diffusion.environment import draw_labels, draw_latents
from diffusion.sampler import GuidedSampler, NoisePrediction
from tests.diffusion.conftest import GaussianMixtureDenoiser, LinearClassifier

N = 6


def start(count: int = N, seed: int = 0) -> tuple[Tensor, Tensor]:
    return draw_latents(count, seed, (1, 16, 16)), draw_labels(count, 4)


class UNetDenoiser:
    """A real, tiny, untrained U-Net in one forward for both predictions."""

    num_classes = 4
    sample_shape = (1, 16, 16)
    prediction_type = "epsilon"

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.net = UNet2DModel(
            sample_size=16, in_channels=1, out_channels=1, block_out_channels=(8, 16),
            layers_per_block=1, norm_num_groups=4, num_class_embeds=5,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"), attention_head_dim=8,
        ).eval()  # fmt: skip
        self.forwards = 0
        self.net.register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.forwards += 1

    def predict(self, latents: Tensor, timesteps: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        twice = torch.cat([latents, latents])
        classes = torch.cat([torch.full_like(labels, 4), labels])
        return tuple(self.net(twice, timesteps, class_labels=classes).sample.chunk(2))

    def decode(self, latents: Tensor) -> Tensor:
        return ((latents + 1) / 2).clamp(0, 1)

    def render(self, latents: Tensor) -> Tensor:
        return self.decode(latents)

    def preview(self, latents: Tensor) -> Tensor:
        return self.decode(latents)

    def encode(self, images: Tensor) -> Tensor:
        return images * 2 - 1


def test_per_image_guidance_equals_separate_runs() -> None:
    denoiser = UNetDenoiser()
    sampler = GuidedSampler(denoiser, num_steps=3)
    latents, labels = start()
    guidance = torch.linspace(1, 8, N)
    together = sampler.sample(latents, labels, guidance.expand(3, N))
    assert denoiser.forwards == 3
    alone = [
        sampler.sample(latents[k : k + 1], labels[k : k + 1], float(guidance[k])) for k in range(N)
    ]
    assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
    assert (together[0] - together[4]).abs().max() > 0.1


def test_schedule_per_step_equals_schedule_per_step_and_image(sampler: GuidedSampler) -> None:
    latents, labels = start()
    schedule = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert_close(
        sampler.sample(latents, labels, schedule),
        sampler.sample(latents, labels, schedule[:, None].expand(5, N)),
    )
    assert (
        sampler.sample(latents, labels, schedule) - sampler.sample(latents, labels, 3.0)
    ).abs().max() > 1e-3


def test_guidance_one_is_conditional_and_zero_unconditional(sampler: GuidedSampler) -> None:
    latents, labels = start()
    prediction = sampler.predict(latents, 0, labels)
    assert_close(prediction.guided(torch.ones(N)), prediction.eps_cond)
    assert_close(prediction.guided(torch.zeros(N)), prediction.eps_uncond)


def test_step_recomputes_the_noise_from_the_clipped_picture(
    sampler: GuidedSampler, denoiser: GaussianMixtureDenoiser
) -> None:
    latents, labels = start()
    step, guidance = 2, torch.full((N,), 9.0)
    prediction = sampler.predict(latents, step, labels)
    previous, clean = sampler.step(latents, step, prediction, guidance)
    a, before = (denoiser.alpha_bar[sampler.timesteps[k]] for k in (step, step + 1))
    raw = (latents - (1 - a).sqrt() * prediction.guided(guidance)) / a.sqrt()
    assert (raw.abs() > 1).any()
    assert_close(clean, raw.clamp(-1, 1), atol=1e-5, rtol=1e-4)
    noise = (latents - a.sqrt() * clean) / (1 - a).sqrt()
    assert_close(
        previous, before.sqrt() * clean + (1 - before).sqrt() * noise, atol=1e-5, rtol=1e-4
    )


def test_no_clipping_trap_at_high_guidance(
    make_denoiser: type[GaussianMixtureDenoiser], proxy: LinearClassifier
) -> None:
    """Keeping the unclipped noise would push pictures off; the accuracy at w = 6 stays."""
    denoiser = make_denoiser(spread=0.5)
    sampler = GuidedSampler(denoiser, num_steps=10)
    latents, labels = start(200)

    def accuracy(guidance: float) -> float:
        clean = sampler.sample(latents, labels, guidance)
        return float((proxy(denoiser.decode(clean)).argmax(1) == labels).float().mean())

    assert accuracy(6.0) >= accuracy(1.0) - 0.01
    # The picture must not leave the data either: a mean of the right class, not a saturated one.
    clean = sampler.sample(latents, labels, 6.0)
    error = (clean - denoiser.means[labels]).square().mean().sqrt()
    assert error < 0.6


def test_samples_have_the_known_distribution(denoiser: GaussianMixtureDenoiser) -> None:
    sampler = GuidedSampler(denoiser, num_steps=50, clip_sample=False)
    latents, _ = start(400)
    labels = torch.zeros(400, dtype=torch.int64)
    clean = sampler.sample(latents, labels, 1.0)
    assert (clean.mean(dim=0) - denoiser.means[0]).abs().max() < 6 * 0.3 / 20
    assert abs(float(clean.std(dim=0).mean()) - 0.3) < 0.03


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_prediction_types_give_the_same_noise_and_samples(
    make_denoiser: type[GaussianMixtureDenoiser], kind: str
) -> None:
    latents, labels = start()
    one, other = (GuidedSampler(make_denoiser(k), num_steps=5) for k in ("epsilon", kind))
    noises = [s.predict(latents, 1, labels).eps_cond for s in (one, other)]
    assert_close(*noises, atol=1e-4, rtol=1e-3)
    assert_close(
        one.sample(latents, labels, 3.0), other.sample(latents, labels, 3.0), atol=1e-3, rtol=1e-3
    )


def test_one_forward_per_step(sampler: GuidedSampler, denoiser: GaussianMixtureDenoiser) -> None:
    sampler.sample(*start(), 2.0)
    assert denoiser.calls == sampler.num_steps


def test_timesteps_fall_and_stay_in_range(sampler: GuidedSampler) -> None:
    assert list(sampler.timesteps) == [800, 600, 400, 200, 0]


def test_what_does_not_fit_the_sampler_is_refused(
    denoiser: GaussianMixtureDenoiser,
    sampler: GuidedSampler,
    make_denoiser: type[GaussianMixtureDenoiser],
) -> None:
    latents, labels = start()
    with pytest.raises(ValueError, match="num_steps is 0"):
        GuidedSampler(denoiser, num_steps=0)
    with pytest.raises(ValueError, match="'score'"):
        GuidedSampler(make_denoiser("score"), num_steps=3)
    prediction = sampler.predict(latents, 0, labels)
    with pytest.raises(ValueError, match="one scale for each"):
        sampler.step(latents, 0, prediction, torch.tensor(3.0))
    for shape in [(4,), (5, 3), (4, N), (1, 5, N)]:
        with pytest.raises(ValueError, match="guidance schedule"):
            sampler.sample(latents, labels, torch.ones(shape))
    with pytest.raises(ValueError, match="one of each"):
        NoisePrediction(latents, latents[:2])
