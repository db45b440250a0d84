"""Episodes that are put aside and taken up again."""

from __future__ import annotations

import pytest
import torch

from diffusion.bundle import Bundle, load_bundle
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.episodes import Playing, play

STEPS, COUNT = 3, 4


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture
def environment(bundle: Bundle) -> GuidanceEnvironment:
    card = bundle.card
    return GuidanceEnvironment(bundle.sampler(STEPS), bundle.proxy, card.reward, card.cfg_base)


def act(step: int, state: torch.Tensor) -> torch.Tensor:
    """Reaches beyond the action limit at the last step."""
    return state[:, 1] * (step + 1) - 0.25


def test_an_episode_taken_up_at_any_step_is_the_whole_one(
    bundle: Bundle, environment: GuidanceEnvironment
) -> None:
    start = draw_latents(COUNT, 7, bundle.denoiser.sample_shape), draw_labels(COUNT, 10)
    whole = play(environment, *start, act)
    assert whole.actions.abs().max() == environment.action_limit
    playing = Playing.start(environment, *start)
    for step in range(STEPS):
        tensors = {name: tensor.clone() for name, tensor in playing.tensors().items()}
        assert tensors["states"].shape == (step + 1, COUNT, 6)
        playing = Playing.restore(environment, tensors)
        assert playing.step == step
        playing.advance(act(step, playing.state))
    episode = playing.episode()
    for name in ("states", "actions", "guidance", "rewards", "log_probability", "images"):
        assert torch.equal(getattr(episode, name), getattr(whole, name)), name
    assert episode.terms.keys() == whole.terms.keys()
    for name, term in whole.terms.items():
        assert torch.equal(episode.terms[name], term), name


def test_what_is_put_aside_has_these_names(
    bundle: Bundle, environment: GuidanceEnvironment
) -> None:
    start = draw_latents(COUNT, 7, bundle.denoiser.sample_shape), draw_labels(COUNT, 10)
    playing = Playing.start(environment, *start)

    def names() -> set[str]:
        return {name for name in playing.tensors() if not name.startswith("environment/")}

    assert names() == {"states"}
    playing.advance(act(0, playing.state))
    terms = {f"terms/{name}" for name in ("terminal", "step_gain", "action", "guidance", "tv")}
    assert names() == {"states", "actions", "rewards", "guidance"} | terms
