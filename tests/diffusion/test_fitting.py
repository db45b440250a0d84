from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from diffusion import assembling, fitting, headroom, optimisation, refinement
from diffusion.assembling import Fit, FitConfig, Networks, assemble, assemble_again
from diffusion.bundle import Bundle, RewardChoice, card_json, load_bundle
from diffusion.classifiers import CLASSIFIERS
from diffusion.datasets import Dataset, Split
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.fitting import (
    classifier_kinds,
    classifier_recipe,
    denoiser_rate,
    denoising_loss,
    fit_bundle,
    require_start,
    split_in_halves,
)
from diffusion.headroom import Candidate, FormResult
from diffusion.optimisation import Budget, Recipe, run_training
from diffusion.precision import Precision
from diffusion.rewards import PRICE_FORMS, RewardConfig
from diffusion.solvers import DpmSolver

torch.set_num_threads(1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process clock that ticks one second per look, so that budgets count steps."""
    ticks = iter(range(10**9))
    monkeypatch.setattr(time, "process_time", lambda: float(next(ticks)))
    monkeypatch.setattr(optimisation, "SAVE_EVERY", 4)


def train(
    work: Path,
    seconds: float,
    follow: Callable[[int], None] = lambda _step: None,
    momentum: float | None = None,
) -> dict[str, Tensor]:
    torch.manual_seed(1)
    model = nn.Linear(3, 1)

    def loss(generator: torch.Generator) -> Tensor:
        x = torch.randn(8, 3, generator=generator)
        error: Tensor = model(x) - x.sum(1, keepdim=True)
        return error.square().mean()

    recipe = Recipe("line", 0.05, 0.01, Budget(seconds), seed=2, momentum=momentum)
    run_training(recipe, {"model": model}, loss, follow, work, lambda _line: None)
    return model.state_dict()


class Killed(Exception):
    pass


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_training_goes_on_where_it_was_killed(
    clock: None, tmp_path: Path, momentum: float | None
) -> None:
    undisturbed = train(tmp_path / "a", 20, momentum=momentum)

    def kill(step: int) -> None:
        if step == 10:
            raise Killed

    with pytest.raises(Killed):
        train(tmp_path / "b", 20, kill, momentum)
    resumed = train(tmp_path / "b", 20, momentum=momentum)
    for name, value in undisturbed.items():
        assert torch.equal(value, resumed[name])


def test_finished_training_is_not_repeated(clock: None, tmp_path: Path) -> None:
    first = train(tmp_path, 12)
    assert torch.equal(train(tmp_path, 12)["weight"], first["weight"])


def test_the_learning_rate_falls_over_the_budget() -> None:
    recipe = Recipe("x", 1.0, 0.0, Budget(100.0), 0)
    assert recipe.rate_at(0, 0.0) < 0.01
    assert recipe.rate_at(1000, 0.0) == pytest.approx(1.01)
    assert recipe.rate_at(1000, 100.0) == pytest.approx(0.01)
    by_pictures = Recipe("x", 1.0, 0.0, Budget(100.0, steps=2000), 0)
    assert by_pictures.rate_at(1000, 1e9) == pytest.approx(0.51)
    assert by_pictures.rate_at(2000, 0.0) == pytest.approx(0.01)


def test_a_budget_in_pictures_ends_after_as_many_batches(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = nn.Linear(3, 1)
    taken: list[int] = []

    def loss(generator: torch.Generator) -> Tensor:
        error: Tensor = model(torch.randn(8, 3, generator=generator))
        return error.square().mean()

    recipe = Recipe("line", 0.05, 0.01, Budget(1e-9, steps=7), seed=2)
    run_training(recipe, {"model": model}, loss, taken.append, tmp_path, lambda _line: None)
    assert taken == [1, 2, 3, 4, 5, 6, 7]


def test_a_large_denoiser_learns_at_half_the_rate() -> None:
    small, large = (PixelDenoiserConfig.of_pictures(c, s, 10) for c, s in ((1, 28), (3, 32)))
    assert denoiser_rate(PixelDenoiser(large)) == denoiser_rate(PixelDenoiser(small)) / 2


def test_larger_pictures_in_colour_are_learned_by_momentum() -> None:
    assert classifier_recipe(3, 32).momentum == 0.9
    for channels, size in ((1, 28), (3, 16)):
        assert classifier_recipe(channels, size).momentum is None
    weights = nn.Linear(2, 1)
    assert isinstance(Recipe("x", 0.1, 0.0, Budget(1), 0).optimizer(weights), AdamW)
    assert isinstance(Recipe("x", 0.1, 0.0, Budget(1), 0, 0.9).optimizer(weights), SGD)


def test_proxy_and_judges_see_different_halves() -> None:
    one, other = split_in_halves(101, 3)
    assert sorted([*one.tolist(), *other.tolist()]) == list(range(101))
    assert len(one) == 50


def stripes(count: int, seed: int) -> Split:
    """Three classes of stripes that any classifier can tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    ramp = np.indices((16, 16)).sum(axis=0), np.indices((16, 16))[0], np.indices((16, 16))[1]
    waves = np.stack([np.sin(each * 0.9) for each in ramp])[labels]
    noisy = 128 + 90 * waves + rng.normal(0, 12, waves.shape)
    images = torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))[:, None]
    return Split(images, torch.from_numpy(labels))


def check_going_on(data: Dataset, bundle: Bundle, config: FitConfig) -> None:
    """Its denoiser is trained further, with its classifiers; what does not fit is refused."""
    further = dataclasses.replace(config, seed=3, references="features")
    more = fit_bundle(data, bundle.folder / "more", further, print, start=bundle)
    opened = load_bundle(bundle.folder / "more")
    assert more.made["config"]["start_from"] == bundle.card.digest
    assert more.made["command"].endswith("--seed 3 --references features --start-from BUNDLE")
    assert more.checksums["proxy.safetensors"] == bundle.card.checksums["proxy.safetensors"]
    assert more.checksums["denoiser.safetensors"] != bundle.card.checksums["denoiser.safetensors"]
    assert opened.references.features.keys() == {"proxy", "judge_0", "judge_1", "imagenet"}
    assert "| seen.safetensors |" in (bundle.folder / "more" / "MODEL_CARD.md").read_text()
    others = dataclasses.replace(data, checksums={"x": "0"})
    with pytest.raises(ValueError, match="point --data to the same"):
        fit_bundle(others, bundle.folder / "others", config, print, start=bundle)
    renamed_classes = dataclasses.replace(data, class_names=("up", "down", "left"))
    with pytest.raises(ValueError, match="knows the classes down, across, both, these data"):
        fit_bundle(renamed_classes, bundle.folder / "others", config, print, start=bundle)
    stored = dataclasses.replace(bundle.fitted_denoiser.config, storage="int8", pictures="bf16")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle.fitted_denoiser, "config", stored)
        require_start(bundle, data, config)
        patch.setattr(bundle.fitted_denoiser, "config", dataclasses.replace(stored, patch=4))
        with pytest.raises(ValueError, match="these pictures take"):
            require_start(bundle, data, config)
    demanding = dataclasses.replace(config, accuracy=2.0)
    with pytest.raises(ValueError, match="are below 2 test accuracy"):
        fit_bundle(data, bundle.folder / "others", demanding, print, start=bundle)
    assert not (bundle.folder / "others").exists()
    for changed, said in (({"mirror": True}, "mirror"), ({"seed": 5}, "seed")):
        with pytest.raises(ValueError, match=f"begun with another {said}: name another folder"):
            fit_bundle(data, bundle.folder, dataclasses.replace(config, **changed), print)


@pytest.mark.slow  # fits four networks
def test_a_small_bundle_from_start_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts are real; a few CPU-seconds of training only cannot make them good."""
    monkeypatch.setattr(fitting, "SNAPSHOT_EVERY", 1)
    monkeypatch.setattr(assembling, "WEAK_GUIDANCE", (1.0,))
    monkeypatch.setattr(headroom, "grid", small_grid)
    monkeypatch.setattr(refinement, "EVALUATIONS_OF_ONE", 1)
    monkeypatch.setattr(refinement, "EVALUATIONS_OF_MORE", 3)
    monkeypatch.setattr(headroom, "choose", choose_first)
    made = stripes(240, 0), stripes(120, 1)
    data = Dataset("stripes", ("down", "across", "both"), *made, {"stripes": "1"})
    config = FitConfig(
        image_size=16,
        denoiser_minutes=0.02,
        classifier_minutes=0.05,
        headroom_latents=24,
        curve_latents=12,
        realism_latents=12,
        num_steps=3,
        accuracy=0.2,
    )
    lines: list[str] = []
    card = fit_bundle(data, tmp_path, config, lines.append)
    bundle = load_bundle(tmp_path)
    assert bundle.card == card
    assert card.name == "stripes-16"
    assert set(card.accuracies) == {"proxy", "judge_0", "judge_1"}
    assert {path.name for path in tmp_path.iterdir()} >= {"curve.csv", "headroom.csv"}
    assert "| CFG_0 |" in (tmp_path / "MODEL_CARD.md").read_text()
    assert bundle.denoiser.unet.conv_in.weight.dtype == torch.float32
    assert json.loads((tmp_path / "card.json").read_text())["made"]["config"]["seed"] == 0
    assert any(line.startswith("curve: step") for line in lines)
    assert bundle.sampler(10).solver == card.solver == DpmSolver()
    seen = card.made["realism"]["1"]
    assert 0 < seen["AlexNet"]["real"] < seen["AlexNet"]["generated"]

    check_going_on(data, bundle, config)

    renamed = dataclasses.replace(card, name="zebras")
    (tmp_path / "card.json").write_text(card_json(renamed), encoding="utf-8")
    again = assemble_again(data, tmp_path, 12, lines.append)
    assert again.name == "zebras"
    assert again.checksums == card.checksums
    assert again.accuracies == card.accuracies
    assert again.made["config"] == {**card.made["config"], "headroom_latents": 12}
    assert load_bundle(tmp_path).card == again
    with pytest.raises(ValueError, match="point --data to the same"):
        assemble_again(dataclasses.replace(data, checksums={"x": "0"}), tmp_path, 12, print)


@pytest.mark.parametrize(("channels", "size", "holes"), [(3, 32, 1), (1, 16, 0)])
def test_classifiers_learn_from_varied_pictures(channels: int, size: int, holes: int) -> None:
    pictures = torch.full((8, channels, size, size), 0.3)
    varied = classifier_recipe(channels, size).varied
    one, again, other = (varied(pictures, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    grey = (one == 0.5).flatten(1).sum(1)
    assert grey.tolist() == [holes * channels * (size // 4) ** 2] * 8
    assert float(one.min()) >= 0 and float(one.max()) <= 1


def test_a_denoiser_learns_from_mirrored_pictures_where_it_is_asked_to() -> None:
    torch.manual_seed(0)
    model = PixelDenoiser(PixelDenoiserConfig(num_classes=3, channels=(8, 16)))
    losses = [
        float(denoising_loss(model, stripes(64, 0), mirror=mirror)(generator).detach())
        for mirror in (False, True)
        for generator in (torch.Generator().manual_seed(1),)
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_half_precision_hardly_changes_the_loss_and_not_the_weights_type() -> None:
    torch.manual_seed(0)
    model = PixelDenoiser(PixelDenoiserConfig(num_classes=3, channels=(8, 16)))
    data, losses = stripes(64, 0), []
    precisions: list[Precision] = ["fp32", "bf16"]
    for precision in precisions:
        loss = denoising_loss(model, data, precision)(torch.Generator().manual_seed(1))
        losses.append(float(loss.detach()))
    loss.backward()
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert losses[1] != losses[0]
    assert {weight.grad.dtype for weight in model.parameters() if weight.grad is not None} == {
        torch.float32
    }


def small_grid() -> list[Candidate]:
    return [Candidate(g) for g in (1.0, 2.0, 4.0)] + [Candidate(1.0, 2.0), Candidate(2.0, 2.0)]


def choose_first(results: list[FormResult]) -> tuple[RewardConfig, float, RewardChoice]:
    return PRICE_FORMS[results[0].form], 2.5, RewardChoice(2.0, 1.0, 2.0)


def test_weak_classifiers_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = Dataset("x", ("a", "b", "c"), stripes(12, 0), stripes(12, 1), {})
    denoiser = PixelDenoiser(PixelDenoiserConfig(num_classes=3))
    kinds = classifier_kinds(1, 16)
    untrained = {name: CLASSIFIERS[kind](3).eval() for name, kind in kinds.items()}
    fit = Fit(data, tmp_path, FitConfig(), print)
    with pytest.raises(ValueError, match=r"below 0\.88 test accuracy: \{'proxy': 0\."):
        assemble(fit, Networks(denoiser, untrained, kinds))


def test_larger_pictures_are_folded_finely_and_halved_by_the_classifiers() -> None:
    config = PixelDenoiserConfig.of_pictures(1, 28, 10)
    assert (config.patch, config.channels) == (2, (24, 48))
    assert PixelDenoiserConfig.of_pictures(3, 64, 2).patch == 4
    assert PixelDenoiserConfig.of_pictures(1, 16, 10) == PixelDenoiserConfig()
    assert classifier_kinds(1, 28)["proxy"] == "strided_resnet"
    assert classifier_kinds(1, 16)["proxy"] == classifier_kinds(3, 16)["proxy"] == "resnet"
    assert classifier_kinds(3, 32)["proxy"] == "mirrored_resnet9"
