"""The columns of the state, against their formulas, and what a mask may be."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.episodes import play
from diffusion.headroom import Candidate, play_candidate
from diffusion.rewards import RewardConfig
from diffusion.sampler import GuidedSampler
from diffusion.state_features import PAPER_FEATURES, STATE_FEATURES, check_features, slot_order
from tests.diffusion.conftest import GaussianMixtureDenoiser, LinearClassifier

N, D = 6, 256
ALL = tuple(STATE_FEATURES)
OPTIONAL = ("difference_norm", "difference_overlap", "entropy", "margin")
START = draw_latents(N, 0, (1, 16, 16)), draw_labels(N, 4)


def build(
    sampler: GuidedSampler, proxy: LinearClassifier, features: tuple[str, ...] = PAPER_FEATURES
) -> GuidanceEnvironment:
    return GuidanceEnvironment(sampler, proxy, RewardConfig(), 3.0, features=features)


def test_the_optional_columns_follow_their_formulas(
    sampler: GuidedSampler, proxy: LinearClassifier, denoiser: GaussianMixtureDenoiser
) -> None:
    latents, labels = START
    state = build(sampler, proxy, OPTIONAL).reset(latents, labels)
    uncond, cond = denoiser.predict(latents, 800, labels)
    noise_share = (1 - denoiser.alpha_bar[800]).sqrt()
    clean = (latents - noise_share * cond) / denoiser.alpha_bar[800].sqrt()
    p = proxy(denoiser.decode(clean.clamp(-1, 1))).softmax(dim=1)
    others = torch.stack(
        [row[torch.arange(4) != label] for row, label in zip(p, labels, strict=True)]
    )
    wanted = torch.stack(
        [
            (cond - uncond).flatten(1).norm(dim=1) / D**0.5,
            (latents * (cond - uncond)).flatten(1).sum(dim=1) / D,
            torch.distributions.Categorical(p).entropy() / math.log(4),
            p[torch.arange(N), labels].log() - others.max(dim=1).values.log(),
        ],
        dim=1,
    )
    assert_close(state, wanted, atol=1e-5, rtol=1e-4)
    assert (state.std(dim=0) > 0).all()


def test_the_lead_is_positive_where_the_wanted_class_is_first(
    sampler: GuidedSampler, proxy: LinearClassifier
) -> None:
    environment = build(sampler, proxy, ("margin", "confidence", "entropy"))
    states = play(environment, *START, lambda _, s: torch.zeros(N)).states.flatten(0, 1)
    lead, p, entropy = states.unbind(dim=1)
    assert (p[lead < 0] < 0.5).all() and (p[lead > 0] > 0.25).all()
    assert ((entropy >= 0) & (entropy <= 1)).all()
    assert entropy[p.argmax()] < entropy[p.argmin()] or entropy.std() < 0.01


def test_columns_stand_as_named_and_a_mask_changes_nothing_else(
    sampler: GuidedSampler, proxy: LinearClassifier
) -> None:
    some = ("entropy", "confidence", "time")
    whole, masked = build(sampler, proxy, ALL), build(sampler, proxy, some)
    for environment in (whole, masked):
        environment.reset(*START)
    action = torch.linspace(-1, 1, N)
    for _ in range(5):
        one, other = whole.step(action), masked.step(action)
        columns = [ALL.index(name) for name in some]
        assert torch.equal(one.state[:, columns], other.state)
        assert torch.equal(one.reward, other.reward)


def test_without_noise_what_is_made_of_it_is_nothing(
    sampler: GuidedSampler, proxy: LinearClassifier
) -> None:
    environment = build(sampler, proxy, ALL)
    environment.reset(*START)
    for _ in range(5):
        state = environment.step(torch.ones(N)).state
    last = dict(zip(ALL, state.unbind(dim=1), strict=True))
    for name in ("time", "noise_norm", "overlap", "difference_norm", "difference_overlap"):
        assert last[name].tolist() == [0.0] * N, name
    assert_close(last["confidence"], environment.final_log_probability.exp())


def test_a_rule_sees_p_whatever_the_policy_is_told(
    sampler: GuidedSampler, proxy: LinearClassifier
) -> None:
    rule = Candidate(1.5, 2.0)
    with_p, without = (
        play_candidate(build(sampler, proxy, features), rule, *START)
        for features in (PAPER_FEATURES, ("time",))
    )
    assert torch.equal(with_p.guidance, without.guidance)
    applied = (1.5 + 2 * (1 - with_p.states[..., 5])).clamp(1, 5)
    assert_close(with_p.guidance, applied)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "there is no feature: name at least one of time, latent_norm"),
        (("time", "entropie"), "no feature 'entropie': did you mean 'entropy'"),
        (("zzz",), "no feature 'zzz': There are time, latent_norm"),
        (("time", "margin", "time"), "'time' is named twice"),
    ],
)
def test_a_mask_that_is_none_is_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_features(names)


def test_an_environment_refuses_what_it_cannot_tell(
    sampler: GuidedSampler, proxy: LinearClassifier
) -> None:
    with pytest.raises(ValueError, match="did you mean 'margin'"):
        build(sampler, proxy, ("margins",))


def test_p_comes_first_where_it_is_told() -> None:
    assert slot_order(PAPER_FEATURES) == (5, 0, 1, 2, 3, 4)
    assert slot_order(ALL) == (5, 0, 1, 2, 3, 4, 6, 7, 8, 9)
    assert slot_order(OPTIONAL) == (0, 1, 2, 3)
