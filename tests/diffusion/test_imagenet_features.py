from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from diffusion.imagenet_features import ImageNetFeatures
from diffusion.lpips_distance import WEIGHTS


@pytest.fixture(scope="module")
def features() -> ImageNetFeatures:
    return ImageNetFeatures()


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(3))


def test_they_are_alexnet_s_last_convolution_averaged(features: ImageNetFeatures) -> None:
    """Layer by layer from the stored weights, with ImageNet's mean and spread."""
    weights = {name: tensor.float() for name, tensor in load_file(WEIGHTS).items()}
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    spread = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x = (images - mean) / spread
    plan = {"0": (4, 2), "3": (1, 2), "6": (1, 1), "8": (1, 1), "10": (1, 1)}
    for layer, (stride, padding) in plan.items():
        if layer in ("3", "6"):
            x = torch.nn.functional.max_pool2d(x, 3, 2)
        kernel, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
        x = torch.conv2d(x, kernel, bias, stride, padding).relu()
    # LPIPS keeps ImageNet's mean and spread with three digits.
    assert torch.allclose(features(images), x.mean(dim=(2, 3)), atol=5e-3)


def test_one_row_a_picture_whatever_the_batch(features: ImageNetFeatures) -> None:
    seen = features(pictures(260))
    assert seen.shape == (260, 256)
    assert (seen >= 0).all()
    assert torch.allclose(seen[255:], features(pictures(260)[255:]), atol=1e-5)
