from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.bundle import Bundle, card_json, load_bundle, read_card
from diffusion.datasets import FASHION_CLASSES
from diffusion.embedded import DEFAULT, EMBEDDED
from diffusion.environment import draw_labels, draw_latents
from diffusion.solvers import Ddim, DpmSolver

torch.set_num_threads(1)


@pytest.fixture(scope="module", params=[DEFAULT, "fashion-mnist-28"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return load_bundle(EMBEDDED[request.param])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(EMBEDDED[DEFAULT], tmp_path / "bundle")


def test_the_embedded_bundle_is_what_its_card_says(bundle: Bundle) -> None:
    card = bundle.card
    assert card.class_names == FASHION_CLASSES
    assert min(card.accuracies.values()) >= 0.88
    assert set(card.checksums) >= {"denoiser.safetensors", "proxy.safetensors"}
    side = bundle.fitted_denoiser.config.image_size
    assert side == {"fashion-mnist": 16, "fashion-mnist-28": 28}[card.name]
    pictures = bundle.references.pictures
    assert pictures is not None
    assert (pictures.shape, pictures.dtype) == ((1000, 1, side, side), torch.uint8)
    assert card.chosen.rule_low <= card.cfg_base <= card.chosen.constant


def test_classifiers_are_not_random(bundle: Bundle) -> None:
    """The card's accuracies hold on the reference pictures, within sampling error."""
    images = bundle.references.images
    for name, model in zip(card_names(), (bundle.proxy, *bundle.judges), strict=True):
        with torch.no_grad():
            hits = (model(images).argmax(1) == bundle.references.labels).double().mean()
        assert float(hits) == pytest.approx(bundle.card.accuracies[name], abs=0.05)


def card_names() -> tuple[str, ...]:
    return ("proxy", "judge_0", "judge_1")


def test_networks_are_frozen_and_computed_in_single_precision(bundle: Bundle) -> None:
    for module in (bundle.denoiser, bundle.proxy, *bundle.judges):
        assert not module.training
        assert all(not p.requires_grad and p.dtype == torch.float32 for p in module.parameters())


def test_strong_guidance_does_not_collapse(bundle: Bundle) -> None:
    """Clipping without recomputing the noise would throw w = 6 far off."""
    sampler = bundle.sampler(10)
    latents, labels = draw_latents(60, 5, bundle.denoiser.sample_shape), draw_labels(60, 10)
    accuracy = {}
    for guidance in (1.0, 6.0):
        with torch.no_grad():
            images = bundle.denoiser.decode(sampler.sample(latents, labels, guidance))
            accuracy[guidance] = float((bundle.proxy(images).argmax(1) == labels).float().mean())
    assert accuracy[6.0] >= accuracy[1.0]
    assert accuracy[6.0] > 0.9


@pytest.mark.parametrize("name", ["denoiser", "proxy", "judge_1", "references"])
def test_a_damaged_file_is_refused_by_name(copy: Path, name: str) -> None:
    path = copy / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}\.safetensors has SHA-256 .* damaged"):
        load_bundle(copy)


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_bundle(tmp_path)


@pytest.mark.parametrize("change", [{"surprise": 1}, {"chosen": {"constant": 3}}])
def test_a_card_of_another_kind_is_refused(copy: Path, change: dict[str, Any]) -> None:
    values = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(values | change))
    with pytest.raises(ValueError, match="is not a bundle's card"):
        read_card(copy)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_card_is_written_as_it_was_read(name: str) -> None:
    path = EMBEDDED[name] if EMBEDDED[name].suffix else EMBEDDED[name] / "card.json"
    assert card_json(read_card(EMBEDDED[name])) == path.read_text(encoding="utf-8")


def test_one_folder_may_hold_two_cards() -> None:
    bundle, first = load_bundle(), load_bundle(EMBEDDED["fashion-mnist-0.1"])
    assert first.folder == bundle.folder
    assert first.card.digest == "ce0af973ec4a78a7"
    assert (first.card.solver, bundle.card.solver) == (Ddim(), DpmSolver())
    assert torch.equal(first.references.images, bundle.references.images)


def test_the_cards_solver_samples_unless_another_is_asked_for(copy: Path) -> None:
    card = dataclasses.replace(read_card(copy), solver=DpmSolver(960, 50))
    (copy / "card.json").write_text(card_json(card))
    opened = load_bundle(copy)
    assert opened.sampler(10).timesteps[0] == 960
    assert opened.sampler(10, Ddim()).timesteps[0] == 900


def test_a_random_proxy_is_refused(copy: Path) -> None:
    values = json.loads((copy / "card.json").read_text())
    values["accuracies"]["proxy"] = 0.1
    (copy / "card.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="classifier that guesses means nothing"):
        load_bundle(copy)
