"""The constant, the rule and the greedy price are the setting's own, and chosen once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diffusion.bundle import Bundle, load_bundle
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import CONSTANT_GRID, Candidate, play_candidate
from diffusion.solvers import Ddim
from qhw.evaluation import choices as choosing
from qhw.evaluation.choices import Choices
from qhw.evaluation.judges import evaluation_latents
from qhw.evaluation.setting import Setting

FEW = 20


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


def setting(bundle: Bundle, steps: int | None = None, **changed: Any) -> Setting:
    card = bundle.card
    sampler = bundle.sampler(steps or card.num_steps, changed.pop("solver", None))
    values = {"reward": card.reward, "cfg_base": card.cfg_base, **changed}
    return Setting(bundle, GuidanceEnvironment(sampler, bundle.proxy, **values))


def choices(chosen_for: Setting, folder: Path) -> Choices:
    return Choices(chosen_for, FEW, [folder])


def mean_return(chosen_for: Setting, candidate: Candidate) -> float:
    own = evaluation_latents(chosen_for.bundle, FEW, choosing.CHOOSING_SEED)
    environment = chosen_for.environment.widened()
    episode = play_candidate(environment, candidate, own.latents, own.labels)
    return float(episode.returns.double().mean())


def test_the_card_s_own_setting_takes_the_card_s_choice(bundle: Bundle, tmp_path: Path) -> None:
    own, card = setting(bundle), bundle.card
    assert own.is_the_card_s
    assert choices(own, tmp_path).constant() == Candidate(card.chosen.constant)
    assert choices(own, tmp_path).rule() == Candidate(card.chosen.rule_low, card.chosen.rule_slope)
    assert not list(tmp_path.iterdir()), "nothing had to be chosen"


def test_a_precision_that_is_not_the_card_s_is_another_setting() -> None:
    own = setting(load_bundle())
    before, denoiser = own.facts(), own.bundle.fitted_denoiser
    assert "precision" not in before
    denoiser.precision = "bf16"
    assert own.facts() == {**before, "precision": "bf16"}
    card = {**own.bundle.card.denoiser, "pictures": "bf16"}
    allowed = replace(own, bundle=replace(own.bundle, card=replace(own.bundle.card, denoiser=card)))
    assert "precision" not in allowed.facts()
    denoiser.precision = "fp32"
    assert allowed.facts()["precision"] == "fp32"


def test_another_reward_number_of_steps_solver_or_range_is_another_setting(bundle: Bundle) -> None:
    dearer = replace(bundle.card.reward, lambda_guidance=5.0)
    others = [
        setting(bundle, reward=dearer),
        setting(bundle, steps=2),
        setting(bundle, solver=Ddim()),
        setting(bundle, guidance_range=(0.5, 12.0)),
    ]
    assert not any(other.is_the_card_s for other in others)
    facts = [json.dumps(other.facts()) for other in (*others, setting(bundle))]
    assert len(set(facts)) == len(facts)


def test_constant_and_rule_are_chosen_anew_for_other_steps(bundle: Bundle, tmp_path: Path) -> None:
    other = setting(bundle, steps=2)
    constant, rule = choices(other, tmp_path).constant(), choices(other, tmp_path).rule()
    assert constant.low in CONSTANT_GRID, "so few latents cannot tell its neighbours apart"
    assert constant != Candidate(bundle.card.chosen.constant)
    for guidance in (2.0, 3.0):
        assert mean_return(other, constant) >= mean_return(other, Candidate(guidance))
    assert mean_return(other, rule) >= mean_return(other, constant), "a constant is a rule too"
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert choices(other, tmp_path).rule() == rule
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == made


def test_from_a_number_of_latents_on_the_choice_is_refined(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "FEWEST_REFINED", FEW)
    other = setting(bundle, steps=2)
    constant = choices(other, tmp_path).constant()
    assert constant.low not in CONSTANT_GRID
    best = max(mean_return(other, Candidate(guidance)) for guidance in CONSTANT_GRID)
    assert mean_return(other, constant) >= best


def test_a_dear_price_makes_the_cheapest_constant_the_best(bundle: Bundle, tmp_path: Path) -> None:
    dearer = setting(bundle, 2, reward=replace(bundle.card.reward, lambda_guidance=50.0))
    first = tmp_path / "cache" / "that is not there yet"
    assert choices(dearer, first).constant().low == pytest.approx(1.0, abs=0.02)


def test_a_constant_lies_in_the_guidance_range(bundle: Bundle, tmp_path: Path) -> None:
    dearer = replace(bundle.card.reward, lambda_guidance=50.0, guidance_center=0.5)
    below = setting(bundle, 2, reward=dearer, guidance_range=(0.5, 3.0))
    assert choices(below, tmp_path).constant() == Candidate(0.5)


def test_the_greedy_price_is_chosen_for_what_the_policy_can_reach(
    bundle: Bundle, tmp_path: Path
) -> None:
    near = choices(setting(bundle, 2, cfg_base=1.75), tmp_path).greedy()
    far = choices(setting(bundle, 2, cfg_base=4.0), tmp_path).greedy()
    assert near.scales[-1] == 3.75
    assert far.scales[-1] == 6.0
    assert len(list(tmp_path.iterdir())) == 2
    assert 1e-3 <= near.weight <= 1


def test_the_choice_never_looks_at_the_evaluation_s_latents(bundle: Bundle) -> None:
    own = evaluation_latents(bundle, FEW, choosing.CHOOSING_SEED).latents
    evaluated = evaluation_latents(bundle, FEW).latents
    assert not (own == evaluated).all(dim=(1, 2, 3)).any()
