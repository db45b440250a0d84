"""The embedded bundle of pictures in colour; the grey ones are in `test_bundle.py`."""

from __future__ import annotations

import pytest
import torch

from diffusion.bundle import Bundle, load_bundle
from diffusion.embedded import EMBEDDED
from diffusion.environment import draw_labels, draw_latents
from diffusion.model_card import model_card
from diffusion.references import NoPicturesError

torch.set_num_threads(1)
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(EMBEDDED["cifar10"])


def test_it_is_what_its_card_says(bundle: Bundle) -> None:
    card = bundle.card
    assert card.name == "cifar10"
    assert (len(card.class_names), card.class_names[0]) == (10, "airplane")
    assert bundle.fitted_denoiser.config.image_size == 32
    assert min(card.accuracies.values()) >= card.required_accuracy == 0.88
    assert card.chosen.rule_low <= card.cfg_base <= card.chosen.constant


def test_it_is_small_and_holds_no_picture_of_the_data_set(bundle: Bundle) -> None:
    weights = sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file())
    assert weights < 20 * MEGABYTE
    assert bundle.references.pictures is None
    with pytest.raises(NoPicturesError):
        _ = bundle.references.images
    assert not [*bundle.folder.rglob("*.png"), *bundle.folder.rglob("*.jp*g")]


@pytest.mark.parametrize("name", ["proxy", "judge_0", "judge_1"])
def test_heads_name_what_was_seen_in_real_pictures(bundle: Bundle, name: str) -> None:
    networks = {"proxy": bundle.proxy, "judge_0": bundle.judges[0], "judge_1": bundle.judges[1]}
    seen = bundle.references.features[name]
    hits = (networks[name].head(seen).argmax(1) == bundle.references.labels).double().mean()
    assert float(hits) == pytest.approx(bundle.card.accuracies[name], abs=0.05)


def test_guidance_makes_pictures_that_both_judges_name(bundle: Bundle) -> None:
    sampler, shape = bundle.sampler(10), bundle.denoiser.sample_shape
    latents, labels = draw_latents(50, 5, shape), draw_labels(50, 10)
    accuracy = {}
    for guidance in (1.0, bundle.card.chosen.constant):
        images = bundle.denoiser.decode(sampler.sample(latents, labels, guidance))
        accuracy[guidance] = [
            float((judge(images).argmax(1) == labels).double().mean()) for judge in bundle.judges
        ]
    weak, strong = accuracy.values()
    assert min(strong) > 0.7
    assert all(after > before + 0.2 for before, after in zip(weak, strong, strict=True))


def test_its_card_in_words_says_what_the_command_does_not(bundle: Bundle) -> None:
    words = (bundle.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert words == model_card(bundle.card)
    assert "--dataset images --data DIR" in words and "judge_0 had 80 minutes" in words
