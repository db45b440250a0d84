"""What is made on a GPU comes back to the processor, and nothing else crosses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import get_model, get_model_weights

from diffusion.bundle import load_bundle
from diffusion.cfg_plus_plus import CfgPlusPlusSampler
from diffusion.classifiers import Classifier
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, Playing, play, play_schedule
from diffusion.feedback_guidance import FeedbackGuidance
from diffusion.foreign.clip import name_clip
from diffusion.foreign.imagenet import ImageNetClassifier
from diffusion.greedy import Greedy
from diffusion.headroom import Candidate, play_candidate
from diffusion.latent.checkpoint import open_checkpoint
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.preview import Preview
from diffusion.latent.prompts import Prompts, encode_prompts
from diffusion.rewards import RewardConfig
from diffusion.sampler import GuidedSampler
from diffusion.solvers import Ddim
from diffusion.state_features import STATE_FEATURES
from qhw.evaluation.judges import _look
from tests.fake_gpu import fake_gpu
from tests.tiny_clip import save_tiny_clip
from tests.tiny_model import save_tiny_model

REWARD = RewardConfig(lambda_act=0.1, lambda_tv=0.1, lambda_tv_mode="step", step_gain="ssim")
"""Every term that needs no further network."""
Way = Callable[[GuidanceEnvironment, Tensor, Tensor], Episode]
GREEDY = Greedy((1.0, 2.0, 4.0), 0.1)
FEEDBACK = FeedbackGuidance(purity=0.9, start=0.5, focus=0.4, most=10.0)
WAYS: dict[str, Way] = {
    "policy": lambda e, x, y: play(e, x, y, lambda _step, state: state[:, 5] - 0.5),
    "rule": lambda e, x, y: play_candidate(e, Candidate(1.0, 3.0), x, y),
    "schedule": lambda e, x, y: play_schedule(e, x, y, torch.linspace(1, 3, 4)),
    "greedy": GREEDY.play,
    "feedback": FEEDBACK.play,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def latent_sampler(model: Path) -> GuidedSampler:
    labels = [str(k) for k in range(10)]
    embeddings = encode_prompts(model, Prompts.of_labels("a {label}", labels)).embeddings
    checkpoint, preview = open_checkpoint(model), Preview(torch.zeros(3, 5))
    denoiser = LatentDenoiser.load(checkpoint, embeddings, Frame(1, 16), preview)
    return GuidedSampler(denoiser, 4, checkpoint.schedule, clip_sample=False, solver=Ddim())


def on_the_processor(episode: Episode) -> bool:
    columns = [getattr(episode, field.name) for field in dataclasses.fields(episode)]
    tensors = [c for c in columns if isinstance(c, Tensor)] + list(episode.terms.values())
    return all(tensor.device.type == "cpu" for tensor in tensors)


@pytest.mark.parametrize("kind", ["solver", "cfg++", "latent"])
@pytest.mark.parametrize("way", WAYS)
def test_an_episode_comes_back(kind: str, way: str, tiny: Path) -> None:
    bundle = load_bundle()
    sampler = latent_sampler(tiny) if kind == "latent" else bundle.sampler(4)
    if kind == "cfg++":
        sampler = CfgPlusPlusSampler.like(sampler)
    networks = (sampler.denoiser, bundle.proxy)
    with fake_gpu(*networks, sampler=sampler):  # type: ignore[arg-type]
        environment = GuidanceEnvironment(
            sampler, bundle.proxy, REWARD, 2.0, features=tuple(STATE_FEATURES)
        ).widened()
        assert environment.device.type == "cuda"
        latents = torch.zeros(3, *sampler.denoiser.sample_shape)
        episode = WAYS[way](environment, latents, torch.zeros(3, dtype=torch.int64))
        assert on_the_processor(episode)
        assert environment.final_images.device.type == "cuda"
        logits, features = _look(bundle.proxy, episode.images)
        assert (logits.device.type, features.device.type) == ("cpu", "cpu")


@pytest.mark.parametrize("kind", ["clip", "torchvision"])
def test_classifiers_of_others_are_where_the_pictures_are(
    kind: str, tiny: Path, tmp_path: Path
) -> None:
    proxy: Classifier
    if kind == "clip":
        folder = save_tiny_clip(tmp_path / "clip")
        labels = [f"a {k}" for k in range(10)]
        proxy = name_clip(folder, str(folder), None, labels, tmp_path / "proxy.safetensors")
    else:
        preset = get_model_weights("mobilenet_v3_small").DEFAULT.transforms()
        network = get_model("mobilenet_v3_small", weights=None)
        proxy = ImageNetClassifier(network, torch.arange(1000) % 10, preset)
    sampler = latent_sampler(tiny)
    with fake_gpu(sampler.denoiser, proxy, sampler=sampler):  # type: ignore[arg-type]
        environment = GuidanceEnvironment(sampler, proxy, REWARD, 2.0)
        latents = torch.zeros(3, *sampler.denoiser.sample_shape)
        episode = WAYS["policy"](environment, latents, torch.zeros(3, dtype=torch.int64))
        assert on_the_processor(episode)
        logits, features = _look(proxy, episode.images)
        assert (logits.device.type, features.device.type) == ("cpu", "cpu")


def test_an_episode_is_put_aside_and_taken_up() -> None:
    bundle = load_bundle()
    sampler = bundle.sampler(4)
    with fake_gpu(bundle.fitted_denoiser, bundle.proxy, sampler=sampler):
        environment = GuidanceEnvironment(sampler, bundle.proxy, REWARD, 2.0)
        latents, labels = torch.zeros(3, 4, 8, 8), torch.zeros(3, dtype=torch.int64)
        playing = Playing.start(environment, latents, labels)
        playing.advance(torch.zeros(3))
        kept = {name: tensor.cpu() for name, tensor in playing.tensors().items()}
        again = Playing.restore(environment, kept)
        for _ in range(4):  # numbers are not to be had here: it begins at step 0
            again.advance(torch.zeros(3))
        assert on_the_processor(again.episode())
