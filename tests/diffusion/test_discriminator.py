"""The discriminator tells real pictures from generated ones, and belongs to one denoiser."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffusion.bundle import Bundle, load_bundle
from diffusion.datasets import Dataset, Split
from diffusion.discriminating import MOST_REAL, examples, fit_discriminator
from diffusion.discriminator import (
    FILE,
    MissingDiscriminatorError,
    discriminator_digest,
    discriminator_facts,
    load_discriminator,
)
from diffusion.embedded import EMBEDDED
from diffusion.environment import draw_labels, draw_latents

torch.set_num_threads(1)
SOME = torch.arange(100)


@pytest.fixture
def copied(tmp_path: Path) -> Bundle:
    """A bundle whose discriminator may be spoilt."""
    bundle = load_bundle()
    shutil.copy(bundle.folder / FILE, tmp_path)
    return replace(bundle, folder=tmp_path)


@pytest.mark.parametrize("name", ["fashion-mnist", "fashion-mnist-28"])
def test_a_shipped_one_finds_real_pictures_more_real(name: str) -> None:
    bundle = load_bundle(EMBEDDED[name])
    discriminator = load_discriminator(bundle)
    assert bundle.references.pictures is not None
    real, labels = bundle.references.pictures[SOME], bundle.references.labels[SOME]
    found = examples(discriminator, bundle, Split(real, labels), seed=5)
    assert found.accuracy(discriminator) > 0.65
    ratio = discriminator(real.float() / 255, labels)
    assert ratio.shape == (100,)
    assert float(ratio.mean()) > 0.3, "nats, real pictures"


def test_much_guidance_makes_pictures_less_real() -> None:
    bundle = load_bundle()
    discriminator, sampler = load_discriminator(bundle), bundle.sampler(10)
    latents, labels = draw_latents(100, 3, bundle.denoiser.sample_shape), draw_labels(100, 10)
    weak, strong = (
        discriminator(bundle.denoiser.decode(sampler.sample(latents, labels, guidance)), labels)
        for guidance in (1.0, 5.0)
    )
    assert float((weak - strong).mean()) > 1


def test_what_it_was_fitted_to_is_told() -> None:
    facts = discriminator_facts(load_bundle())
    assert facts["pictures"] == str(2 * MOST_REAL)
    assert 0.7 < float(facts["accuracy"]) < 0.8


def test_a_bundle_without_one_says_so(copied: Bundle) -> None:
    (copied.folder / FILE).unlink()
    with pytest.raises(MissingDiscriminatorError, match="has no discriminator"):
        load_discriminator(copied)


def test_one_of_another_denoiser_is_refused(copied: Bundle) -> None:
    checksums = {**copied.card.checksums, "denoiser.safetensors": "0" * 64}
    with pytest.raises(MissingDiscriminatorError, match="pictures of another denoiser"):
        load_discriminator(replace(copied, card=replace(copied.card, checksums=checksums)))


def flipped(whole: bytes) -> bytes:
    return whole[:-1] + bytes([whole[-1] ^ 1])


@pytest.mark.parametrize("spoil", [lambda whole: whole[:200], lambda _: b"", flipped])
def test_a_damaged_one_is_refused(copied: Bundle, spoil: Callable[[bytes], bytes]) -> None:
    path = copied.folder / FILE
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match="is damaged"):
        load_discriminator(copied)


def test_it_is_fitted_the_same_way_twice_and_replaces_what_was_there(copied: Bundle) -> None:
    before = discriminator_digest(copied)
    assert copied.references.pictures is not None
    split = Split(copied.references.pictures[:60], copied.references.labels[:60])
    fresh = Split(copied.references.pictures[60:90], copied.references.labels[60:90])
    data = Dataset("made up", copied.card.class_names, split, fresh, {})
    lines: list[str] = []
    accuracy = fit_discriminator(data, copied, lines.append)
    first = discriminator_digest(copied)
    assert 0.5 < accuracy <= 1, "better than guessing, on 30 real pictures it never saw"
    assert f"{accuracy:.1%} of unseen pictures" in lines[-1]
    assert discriminator_facts(copied)["pictures"] == "120"
    fit_discriminator(data, copied, lines.append)
    assert before != first == discriminator_digest(copied)
