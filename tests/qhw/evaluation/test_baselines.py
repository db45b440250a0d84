from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffusion.bundle import Bundle, load_bundle
from diffusion.comparison import bootstrap_difference
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import CONSTANT_GRID, Candidate
from qhw.errors import BundleError
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents

FEW = 20


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


def baselines(bundle: Bundle, latents: int, cache: Path) -> Baselines:
    card = bundle.card
    sampler = bundle.sampler(card.num_steps)
    environment = GuidanceEnvironment(sampler, bundle.proxy, card.reward, card.cfg_base)
    paired = evaluation_latents(bundle, latents)
    return Baselines(bundle, Judges(bundle), environment, paired, cache)


def assert_same(one: Outcome, other: Outcome) -> None:
    assert np.array_equal(one.returns, other.returns)
    assert np.array_equal(one.guidance, other.guidance)
    for eye, score in one.scores.items():
        assert np.array_equal(score.arm.effect, other.scores[eye].arm.effect)
        assert score.arm.distance == other.scores[eye].arm.distance


def test_what_is_recalled_is_what_was_played(bundle: Bundle, tmp_path: Path) -> None:
    played = baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0)).outcome
    (file,) = tmp_path.glob("*.safetensors")
    made = file.stat().st_mtime_ns
    recalled = baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0)).outcome
    assert file.stat().st_mtime_ns == made
    assert_same(played, recalled)


@pytest.mark.parametrize("latents", [500, 2000])
def test_the_default_baselines_come_with_the_bundle(
    bundle: Bundle, latents: int, tmp_path: Path
) -> None:
    shipped = baselines(bundle, latents, tmp_path)
    assert len(shipped.constants()) == len(CONSTANT_GRID)
    assert shipped.schedules()
    shipped.rule()
    shipped.base()
    shipped.greedy()
    assert shipped.constant().candidate == Candidate(bundle.card.chosen.constant)
    assert list(tmp_path.iterdir()) == [], "something was played that should have been shipped"


def test_another_reward_is_another_outcome(bundle: Bundle, tmp_path: Path) -> None:
    card = replace(bundle.card, reward=replace(bundle.card.reward, lambda_guidance=0.5))
    dearer = replace(bundle, card=card)
    one = baselines(bundle, FEW, tmp_path).candidate("it", Candidate(3.0)).outcome
    other = baselines(dearer, FEW, tmp_path).candidate("it", Candidate(3.0)).outcome
    assert other.returns.mean() < one.returns.mean()


def test_greedy_feedback_returns_more_than_the_best_constant(
    bundle: Bundle, tmp_path: Path
) -> None:
    shipped = baselines(bundle, 500, tmp_path)
    greedy, constant = shipped.greedy().outcome, shipped.constant().outcome
    gain = bootstrap_difference(greedy.returns, constant.returns)
    assert gain.low > 0
    assert greedy.guidance.mean() < constant.guidance.mean()


def test_a_damaged_outcome_is_named(bundle: Bundle, tmp_path: Path) -> None:
    baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BundleError, match=file.name):
        baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0))
