from __future__ import annotations

import pytest
import torch

from diffusion.classifiers import CLASSIFIERS
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig


@pytest.fixture
def denoiser() -> PixelDenoiser:
    torch.manual_seed(0)
    config = PixelDenoiserConfig(image_channels=3, image_size=8, num_classes=4, channels=(16, 16))
    return PixelDenoiser(config).eval()


def test_encode_and_decode_are_inverse(denoiser: PixelDenoiser) -> None:
    images = torch.rand(5, 3, 8, 8)
    latents = denoiser.encode(images)
    assert latents.shape[1:] == denoiser.sample_shape == (12, 4, 4)
    assert torch.allclose(denoiser.decode(latents), images, atol=1e-6)


def test_folding_keeps_noise_standard_normal(denoiser: PixelDenoiser) -> None:
    noise = torch.randn(200, *denoiser.sample_shape)
    unfolded = torch.nn.functional.pixel_shuffle(noise, 2)
    assert torch.equal(noise.flatten().sort().values, unfolded.flatten().sort().values)


def test_one_forward_is_two(denoiser: PixelDenoiser) -> None:
    latents, labels = torch.randn(6, 12, 4, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    both = denoiser.predict(latents, 500, labels)
    times = torch.full((6,), 500)
    with torch.no_grad():
        apart = [denoiser(latents, times, y) for y in (torch.full((6,), 4), labels)]
    for one, two in zip(both, apart, strict=True):
        assert torch.allclose(one, two, atol=1e-5)
    assert not torch.allclose(both[0], both[1])


def test_the_description_rebuilds_the_architecture(denoiser: PixelDenoiser) -> None:
    again = PixelDenoiser.from_description(denoiser.describe())
    again.load_state_dict(denoiser.state_dict())
    assert again.config == denoiser.config


def test_sizes_that_do_not_fold_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        PixelDenoiserConfig(image_size=28, patch=4)
    with pytest.raises(ValueError, match="multiple of 8"):
        PixelDenoiserConfig(image_size=28, patch=2, channels=(8, 16, 24))


def test_larger_pictures_in_colour_take_a_larger_network() -> None:
    small, large = (PixelDenoiserConfig.of_pictures(c, 32, 10) for c in (1, 3))
    assert (small.channels, large.channels) == ((24, 48), (64, 128, 192))
    denoiser = PixelDenoiser(large).eval()
    assert sum(weights.numel() for weights in denoiser.parameters()) == pytest.approx(7e6, rel=0.1)
    cond = denoiser.predict(torch.randn(2, 12, 16, 16), 500, torch.tensor([0, 9]))[1]
    assert cond.shape == (2, 12, 16, 16)
    again = PixelDenoiser.from_description(denoiser.describe())
    assert again.config == large


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("size", [16, 28])
def test_classifiers_take_any_small_picture(kind: str, size: int) -> None:
    model = CLASSIFIERS[kind](5, 3).eval()
    images = torch.rand(4, 3, size, size)
    with torch.no_grad():
        logits, features = model.forward_with_features(images)
        assert torch.equal(model(images), logits)
        assert torch.equal(model.features(images), features)
    assert logits.shape == (4, 5)
    assert features.shape[1] == model.head.in_features
