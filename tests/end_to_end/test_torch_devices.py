"""Pictures where there is a GPU; the same on the processor, where nothing has to be moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.environment import draw_labels, draw_latents
from diffusion.episodes import Episode, play
from diffusion.feedback_guidance import FeedbackGuidance
from diffusion.greedy import Greedy
from qhw.config import parse_config
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.training.parts import make_environment, open_bundle
from qhw.training.player import Player
from qhw.training.trainer import Trainer
from tests.qhw.commands.test_models_calibrate import calibrated
from tests.tiny_model import save_tiny_model

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
MODELS = ["fashion-mnist", "tiny"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("models")
    calibrated(save_tiny_model(folder / "tiny"), folder / "steered")
    return {"tiny": str(folder / "steered"), "fashion-mnist": "fashion-mnist"}


def settings(model: str, device: str) -> dict[str, Any]:
    return {
        "environment": {"bundle": model, "steps": 3},
        "ppo": {"updates": 1, "environments": 10, "minibatches": 2, "epochs": 1},
        "backend": {"name": "aer"},
        "torch_device": device,
    }


def played(model: str, device: str) -> Episode:
    config = parse_config(settings(model, device))
    bundle = open_bundle(model)
    environment = make_environment(config.environment, bundle, torch.device(device))
    latents = draw_latents(6, 0, bundle.denoiser.sample_shape)
    return play(environment, latents, draw_labels(6, 10), lambda _step, state: state[:, 5] - 0.5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("device", DEVICES)
def test_episodes_are_those_of_the_processor(
    device: str, model: str, models: dict[str, str]
) -> None:
    here, there = played(models[model], "cpu"), played(models[model], device)
    for name in ("states", "guidance", "rewards", "images", "log_probability"):
        ours, theirs = getattr(here, name), getattr(there, name)
        assert theirs.device.type == "cpu"
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("device", DEVICES)
def test_guidance_that_looks_is_that_of_the_processor(
    device: str, model: str, models: dict[str, str]
) -> None:
    found = []
    for place in ("cpu", device):
        config, bundle = parse_config(settings(models[model], place)), open_bundle(models[model])
        environment = make_environment(config.environment, bundle, torch.device(place)).widened()
        latents = draw_latents(4, 0, bundle.denoiser.sample_shape)
        feedback = FeedbackGuidance(purity=0.9, start=0.5, focus=0.4, most=10.0)
        for method in (feedback, Greedy.over_range(environment, 0.1)):
            found.append(method.play(environment, latents, draw_labels(4, 10)))
    for ours, theirs in zip(found[:2], found[2:], strict=True):
        torch.testing.assert_close(ours.guidance, theirs.guidance, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("device", DEVICES)
def test_a_training_learns_resumes_and_is_judged(
    device: str, model: str, models: dict[str, str]
) -> None:
    config = parse_config(settings(models[model], device))
    trainer, again = Trainer(config), Trainer(config)
    before = [weights.clone() for weights in trainer.actor.parameters()]
    trainer.advance()
    assert any(
        not torch.equal(old, new)
        for old, new in zip(before, trainer.actor.parameters(), strict=True)
    )
    again.restore(trainer.checkpoint())
    for ours, theirs in zip(trainer.actor.parameters(), again.actor.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    player = Player(config)
    paired = evaluation_latents(player.bundle, 20)
    outcome = Judges(player.bundle).judge(play_policy(player, paired, "test"), paired.labels)
    assert outcome.returns.shape == (20,)
    assert set(outcome.scores) == set(ALL_EYES)
