"""Torchvision's classifiers: their classes gathered into ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model, get_model_weights

from diffusion.foreign.imagenet import ImageNetClassifier, gather, name_imagenet, open_imagenet
from diffusion.latent.checkpoint import ModelError

ARCHITECTURE = "mobilenet_v3_small"
CLASSES = ("cat", "dog")
MAPPED: dict[str, list[int | str]] = {"cat": [281, "tiger cat"], "dog": [151, 152, 153]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random ones; the architecture is torchvision's."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("torchvision") / "small.safetensors"
    save_file(get_model(ARCHITECTURE, weights=None).state_dict(), path)
    return path


@torch.no_grad()
def test_its_probabilities_are_sums_of_torchvisions(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "judge_0.safetensors"
    ours = name_imagenet(ARCHITECTURE, weights, MAPPED, CLASSES, path)
    torch.manual_seed(0)
    theirs = get_model(ARCHITECTURE, weights=None).eval()
    images = torch.rand(3, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    preset = get_model_weights(ARCHITECTURE).DEFAULT.transforms()
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (preset.mean, preset.std))
    p = theirs((images - mean) / deviation).softmax(dim=1)
    cat, dog = p[:, [281, 282]].sum(dim=1), p[:, [151, 152, 153]].sum(dim=1)
    wanted = torch.stack([cat, dog], dim=1) / (cat + dog)[:, None]
    torch.testing.assert_close(ours(images).softmax(dim=1), wanted, rtol=1e-4, atol=1e-6)
    logits, features = ours.forward_with_features(images)
    assert (logits.shape, features.shape) == ((3, 2), (3, 1024))
    assert torch.equal(open_imagenet(path)(images), ours(images))


def test_categories_are_named_or_numbered() -> None:
    categories = ("ape", "bee", "cow", "dog")
    gathered = gather({"insect": ["bee"], "beast": [0, "cow"]}, ("beast", "insect"), categories)
    assert gathered.tolist() == [0, 1, 0, -1]


@pytest.mark.parametrize(
    ("mapped", "said"),
    [
        ({"beast": [0]}, "nothing for insect"),
        ({"beast": [0], "insect": []}, "nothing for insect"),
        ({"beast": [0], "insect": [1], "fish": [2]}, "fish too"),
        ({"beast": [0, 1], "insect": ["bee"]}, "gives 'bee' to beast and to insect"),
        ({"beast": [9], "insect": [1]}, "names 9: give numbers from 0 to 3"),
        ({"beast": ["unicorn"], "insect": [1]}, "names 'unicorn'"),
    ],
)
def test_maps_that_do_not_fit_are_refused(mapped: dict[str, list[int | str]], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        gather(mapped, ("beast", "insect"), ("ape", "bee", "cow", "dog"))


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        (
            "resnet_of_mine",
            "torchvision has no classifier 'resnet_of_mine' to take: alexnet",
        ),
        ("inception_v3", "torchvision has no classifier 'inception_v3'"),
        ("googlenet", "torchvision has no classifier 'googlenet'"),
        ("resnet18", "holds no weights of resnet18"),
        ("squeezenet1_1", "holds no weights of squeezenet1_1"),
    ],
)
def test_other_architectures_are_refused(
    architecture: str, said: str, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=said):
        name_imagenet(architecture, weights, MAPPED, CLASSES, tmp_path / "proxy.safetensors")


def test_a_network_that_ends_otherwise_is_refused(tmp_path: Path) -> None:
    weights = tmp_path / "squeezenet.safetensors"
    save_file(get_model("squeezenet1_1", weights=None).state_dict(), weights)
    with pytest.raises(ModelError, match="squeezenet1_1 cannot be used: it ends in AdaptiveAvg"):
        name_imagenet("squeezenet1_1", weights, MAPPED, CLASSES, tmp_path / "proxy.safetensors")


def test_a_pickle_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "small.pth").write_bytes(b"")
    expected = {"small.pth": r"is a pickle, .*torch\.load", "no.safetensors": "no weights"}
    for name, said in expected.items():
        with pytest.raises(ModelError, match=said):
            name_imagenet(ARCHITECTURE, tmp_path / name, MAPPED, CLASSES, tmp_path / "proxy")


def test_pictures_of_another_size_than_the_network_takes_are_refused() -> None:
    preset = get_model_weights("resnet18").DEFAULT.transforms()
    network = get_model("vit_b_32", weights=None, image_size=64)
    gathered = torch.full((1000,), -1)
    gathered[:2] = torch.tensor([0, 1])
    with pytest.raises(ModelError, match="it takes 64 pixels, its pictures were of 224"):
        ImageNetClassifier(network, gathered, preset)
