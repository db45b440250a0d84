from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from diffusion.environment import draw_latents
from diffusion.latent.checkpoint import open_checkpoint
from diffusion.latent.denoiser import DECODED_PIXELS, LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.preview import Preview
from diffusion.latent.prompts import PromptEmbeddings, Prompts, encode_prompts
from diffusion.sampler import GuidedSampler
from diffusion.solvers import Ddim
from tests.tiny_model import SIDE

GUIDANCE, STEPS = 4.5, 6
SHAPE = (4, 16, 16)


def theirs(folder: Path, prompts: Prompts, latents: Tensor) -> Tensor:
    """Clean latents that diffusers' own pipeline makes of the same noise."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    made = pipeline(
        prompt=list(prompts.texts),
        negative_prompt=[prompts.negative] * len(latents),
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        latents=latents,
        output_type="latent",
    )
    images: Tensor = made.images
    return images


@pytest.mark.parametrize("model", ["tiny_model", "v_model"])
@pytest.mark.parametrize("negative", ["", "blurred"])
def test_at_constant_guidance_it_is_diffusers_own_pipeline(
    model: str, negative: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(model)
    prompts = Prompts.of_labels("a photo of a {label}", ("cat", "dog", "ship"), negative)
    checkpoint = open_checkpoint(folder)
    embeddings = encode_prompts(folder, prompts).embeddings
    denoiser = LatentDenoiser.load(checkpoint, embeddings, Frame(3, SIDE))
    sampler = GuidedSampler(
        denoiser, STEPS, checkpoint.schedule, clip_sample=False, solver=Ddim("leading")
    )
    latents = draw_latents(3, 0, SHAPE)
    guidance = torch.full((STEPS, 3), GUIDANCE)
    ours = sampler.sample(latents, torch.arange(3), guidance)
    torch.testing.assert_close(ours, theirs(folder, prompts, latents), rtol=0, atol=1e-5)


def test_every_picture_has_its_own_guidance(denoiser: LatentDenoiser, tiny_model: Path) -> None:
    schedule = open_checkpoint(tiny_model).schedule
    sampler = GuidedSampler(denoiser, 3, schedule, clip_sample=False)
    latents, labels = draw_latents(2, 0, SHAPE), torch.tensor([0, 1])
    scales = torch.tensor([[1.0, 7.0], [2.0, 3.0], [5.0, 1.0]])
    together = sampler.sample(latents, labels, scales)
    for k in range(2):
        alone = sampler.sample(latents[k : k + 1], labels[k : k + 1], scales[:, k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-5, atol=1e-4)


def test_classes_and_the_negative_prompt_reach_the_unet(denoiser: LatentDenoiser) -> None:
    latents = draw_latents(1, 0, SHAPE).expand(3, -1, -1, -1)
    uncond, cond = denoiser.predict(latents, 500, torch.arange(3))
    assert torch.allclose(uncond[0], uncond[1], atol=1e-6)
    assert not torch.allclose(cond[0], cond[1], atol=1e-4)
    assert not torch.allclose(cond[0], uncond[0], atol=1e-4)


def test_pictures_are_the_autoencoder_s_in_parts_or_not(
    denoiser: LatentDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = draw_latents(5, 0, SHAPE)
    pixels = denoiser.vae.decode(latents / denoiser.vae.config.scaling_factor).sample
    whole = denoiser.render(latents)
    assert whole.shape == (5, 3, SIDE, SIDE)
    assert torch.allclose(whole, (pixels / 2 + 0.5).clamp(0, 1), atol=1e-6)
    seen = denoiser.decode(latents)
    assert seen.shape == (5, 1, 16, 16)
    assert torch.allclose(seen, denoiser.frame.look(whole), atol=1e-6)
    monkeypatch.setattr("diffusion.latent.denoiser.DECODED_PIXELS", 2 * SIDE**2)
    assert torch.allclose(denoiser.decode(latents), seen, atol=1e-5)
    assert DECODED_PIXELS == 1 << 20


def test_latents_of_pictures_are_the_mode(denoiser: LatentDenoiser) -> None:
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    mode = denoiser.vae.encode(2 * images - 1).latent_dist.mode()
    wanted = mode * denoiser.vae.config.scaling_factor
    assert torch.allclose(denoiser.encode(images), wanted, atol=1e-6)


def test_previews_are_cheap_and_alike(denoiser: LatentDenoiser, tiny_model: Path) -> None:
    latents = draw_latents(64, 0, SHAPE)
    preview = Preview.fit(latents[:32], denoiser.render(latents[:32]))
    embeddings = PromptEmbeddings(denoiser.conditional, denoiser.unconditional)
    cheap = LatentDenoiser(
        denoiser.unet, denoiser.vae, embeddings, "epsilon", Frame(1, 16), preview
    )
    looked = cheap.preview(latents)
    assert looked.shape == (64, 1, 16, 16)
    assert looked.min() >= 0
    assert looked.max() <= 1
    assert 0 < preview.explained(latents[32:], denoiser.render(latents[32:])) <= 1
    assert torch.equal(denoiser.preview(latents[:3]), denoiser.decode(latents[:3]))


def test_a_linear_decoder_is_found_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(8, 4, 4, 4, generator=generator)
    weights = 0.02 * torch.randn(3, 5, generator=generator)
    weights[:, -1] = 0.5
    small = torch.einsum("kc,nchw->nkhw", weights[:, :-1], latents) + 0.5
    pictures = small.repeat_interleave(2, -1).repeat_interleave(2, -2)
    preview = Preview.fit(latents, pictures)
    assert torch.allclose(preview.weights, weights, atol=1e-5)
    assert preview.explained(latents, pictures) == pytest.approx(1, abs=1e-5)


def test_half_precision_stays_inside(tiny_model: Path, prompts: Prompts) -> None:
    embeddings = encode_prompts(tiny_model, prompts).embeddings
    half, full = (
        LatentDenoiser.load(
            open_checkpoint(tiny_model), embeddings, Frame(3, SIDE), precision=precision
        )
        for precision in ("bf16", "fp32")
    )
    latents = draw_latents(3, 0, SHAPE)
    for ours, exact in zip(
        half.predict(latents, 500, torch.arange(3)),
        full.predict(latents, 500, torch.arange(3)),
        strict=True,
    ):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, exact, rtol=0.05, atol=0.05)
    assert half.decode(latents).dtype == torch.float32


def test_what_does_not_fit_is_refused(denoiser: LatentDenoiser) -> None:
    narrow = PromptEmbeddings(torch.zeros(3, 16, 24), torch.zeros(1, 16, 24))
    with pytest.raises(ValueError, match="prompts of 24 numbers a token, and the UNet reads 32"):
        LatentDenoiser(denoiser.unet, denoiser.vae, narrow, "epsilon", Frame(1, 16))
    embeddings = PromptEmbeddings(denoiser.conditional, denoiser.unconditional)
    with pytest.raises(ValueError, match="30 pixels: take a multiple of 4"):
        LatentDenoiser(denoiser.unet, denoiser.vae, embeddings, "epsilon", Frame(1, 16), side=30)


def test_pictures_of_another_size_have_other_latents(denoiser: LatentDenoiser) -> None:
    embeddings = PromptEmbeddings(denoiser.conditional, denoiser.unconditional)
    larger = LatentDenoiser(
        denoiser.unet, denoiser.vae, embeddings, "epsilon", Frame(3, 16), side=64
    )
    assert larger.sample_shape == (4, 32, 32)
    assert larger.render(draw_latents(1, 0, (4, 32, 32))).shape == (1, 3, 64, 64)
