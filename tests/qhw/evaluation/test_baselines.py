from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffusion.bundle import Bundle, load_bundle
from diffusion.comparison import ConstantCurve, bootstrap_difference, resample_counts
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import Candidate
from qhw.errors import BundleError
from qhw.evaluation import baselines as module
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.beside_constants import beside_constants
from qhw.evaluation.constant_grid import constants_within
from qhw.evaluation.eyes import ALL_EYES, HELD_OUT, STRANGER
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.likeness import MEASURES, REAL, SAME_LATENT

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
        assert score.kernel == other.scores[eye].kernel


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
    assert len(shipped.constants()) == len(constants_within((1.0, 12.0)))
    assert shipped.placebos()
    assert shipped.schedules()
    shipped.rule()
    shipped.base()
    shipped.greedy()
    assert shipped.constant().candidate == Candidate(bundle.card.chosen.constant)
    assert list(tmp_path.iterdir()) == [], "something was played that should have been shipped"


@pytest.mark.parametrize("held_out", [1.75, 2.25])
def test_a_constant_that_is_not_on_the_grid_ties_in_every_eye(
    bundle: Bundle, tmp_path: Path, held_out: float
) -> None:
    """On straight lines between fewer constants, at equal accuracy, 1.75 gained .25 in one eye."""
    shipped = baselines(bundle, 500, tmp_path)
    arms = {each.candidate.low: each.outcome for each in shipped.constants()}
    subject, counts = arms.pop(held_out), resample_counts(500, 400, seed=0)
    resolutions = beside_constants(shipped, counts)
    for eye in ALL_EYES:
        grid = {guidance: outcome.scores[eye].arm for guidance, outcome in arms.items()}
        found = ConstantCurve.through(grid, counts).beside(subject.scores[eye].arm).difference
        assert abs(found.estimate) < 0.08
        assert resolutions[eye].resolution < 0.1


def test_an_outcome_of_another_version_is_made_anew(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one without the stranger's eye: it is neither read nor touched."""
    with monkeypatch.context() as before:
        before.setattr(module, "VERSION", 1)
        baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0))
    (old,) = tmp_path.glob("*.safetensors")
    content = old.read_bytes()
    outcome = baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0)).outcome
    assert set(outcome.scores) == set(ALL_EYES)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    assert old.read_bytes() == content


def test_the_stranger_takes_accuracy_and_log_p_from_the_judges(
    bundle: Bundle, tmp_path: Path
) -> None:
    scores = baselines(bundle, FEW, tmp_path).candidate("it", Candidate(2.0)).outcome.scores
    first, second, stranger = (scores[eye].arm for eye in (*HELD_OUT, STRANGER))
    assert np.allclose(stranger.correct, (first.correct + second.correct) / 2)
    mean = (first.log_probability + second.log_probability) / 2
    assert np.allclose(stranger.log_probability, mean)
    assert stranger.distance not in (first.distance, second.distance)


def test_the_base_guidance_is_its_own_reference(bundle: Bundle, tmp_path: Path) -> None:
    played = baselines(bundle, FEW, tmp_path)
    base, other = played.base().outcome, played.candidate("it", Candidate(4.0)).outcome
    assert set(base.likeness) == {f"{r}/{m}" for r in (SAME_LATENT, REAL) for m in MEASURES}
    assert np.isinf(base.likeness[f"{SAME_LATENT}/PSNR (dB)"]).all()
    assert np.allclose(base.likeness[f"{SAME_LATENT}/SSIM"], 1)
    assert np.isfinite(other.likeness[f"{SAME_LATENT}/PSNR (dB)"]).all()
    # Real pictures share neither pose nor cut with the sampled ones.
    real, same = (other.likeness[f"{reference}/SSIM"].mean() for reference in (REAL, SAME_LATENT))
    assert real < same - 0.2


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
