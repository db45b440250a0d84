from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from diffusion.bundle import Bundle
from diffusion.environment import draw_labels, draw_latents
from qhw.controllers.controller import load_controller
from qhw.controllers.exporting import export_controller
from qhw.diffusers import QuantumGuidance
from qhw.errors import ConfigError
from qhw.runs.directory import RunDirectory
from qhw.training.player import Player
from tests.qhw.controllers.conftest import SETTINGS, exported, trained, trained_once

__all__ = ["exported", "trained"]

STEPS, COUNT = 3, 4


def scheduler_of(bundle: Bundle, **changes: Any) -> Any:
    card = bundle.card
    return DDIMScheduler(
        num_train_timesteps=card.num_train_timesteps,
        beta_schedule=card.beta_schedule,
        timestep_spacing="trailing",
        prediction_type=bundle.denoiser.prediction_type,
        **changes,
    )


class Unet(nn.Module):
    """The bundle's network as pipelines call one: a half for each prediction."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.denoiser = bundle.denoiser

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor | None) -> Tensor:
        labels = torch.zeros(len(sample), dtype=torch.int64)
        given = labels if class_labels is None else class_labels
        uncond, cond = self.denoiser.predict(sample, int(timestep), given)
        return uncond if class_labels is None else cond


def sample(guider: Any, unet: nn.Module, scheduler: Any, latents: Tensor, labels: Tensor) -> Tensor:
    """The denoising loop of diffusers' modular pipelines."""
    scheduler.set_timesteps(STEPS)
    for step, timestep in enumerate(scheduler.timesteps):
        guider.set_state(step=step, num_inference_steps=STEPS, timestep=timestep)
        batches = guider.prepare_inputs({"class_labels": (labels, None)})
        for batch in batches:
            guider.prepare_models(unet)
            scaled = scheduler.scale_model_input(latents, timestep)
            batch.noise_pred = unet(scaled, timestep, batch.class_labels)
            guider.cleanup_models(unet)
        mixed = guider(batches).pred
        latents = scheduler.step(
            mixed, timestep, latents, use_clipped_model_output=True
        ).prev_sample
    return latents


@pytest.fixture
def player(trained: RunDirectory) -> Player:
    return Player.of(trained)


def start(player: Player) -> tuple[Tensor, Tensor]:
    shape = player.environment.sampler.denoiser.sample_shape
    return draw_latents(COUNT, 5, shape), draw_labels(COUNT, 10)


def proxy_of(bundle: Bundle) -> Any:
    def proxy(clean: Tensor) -> Tensor:
        answer: Tensor = bundle.proxy(bundle.denoiser.decode(clean)).log_softmax(dim=1)
        return answer

    return proxy


def test_a_pipeline_is_guided_as_the_environment_is(player: Player, exported: Path) -> None:
    bundle, environment = player.bundle, player.environment
    latents, labels = start(player)
    guider = QuantumGuidance(str(exported))
    scheduler = scheduler_of(bundle)
    guider.attach(scheduler, proxy_of(bundle), labels)
    made = sample(guider, Unet(bundle), scheduler, latents, labels)
    state = environment.reset(latents, labels)
    for step in range(STEPS):
        with torch.no_grad():
            result = environment.step(player.actor.action_mean(state))
        assert torch.allclose(guider.scales[step], result.guidance, atol=1e-3), step
        state = result.state
    assert len(guider.scales) == STEPS
    assert torch.stack(guider.scales).std() > 0
    assert torch.allclose(bundle.denoiser.decode(made), environment.final_images, atol=2e-3)


def test_another_sampling_starts_anew(player: Player, exported: Path) -> None:
    latents, labels = start(player)
    guider, scheduler = QuantumGuidance(str(exported)), scheduler_of(player.bundle)
    guider.attach(scheduler, proxy_of(player.bundle), labels)
    unet = Unet(player.bundle)
    first = sample(guider, unet, scheduler, latents, labels)
    assert torch.equal(sample(guider, unet, scheduler, latents, labels), first)
    assert len(guider.scales) == STEPS
    assert not unet._forward_pre_hooks


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_every_kind_of_prediction_is_split_alike(player: Player, exported: Path, kind: str) -> None:
    generator = torch.Generator().manual_seed(2)
    clean, noise = torch.randn(2, 2, 1, 4, 4, generator=generator)
    kept = torch.tensor(0.3)
    noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
    predicted = {
        "epsilon": noise,
        "v_prediction": kept.sqrt() * noise - (1 - kept).sqrt() * clean,
        "sample": clean,
    }[kind]
    guider = QuantumGuidance(str(exported))
    guider.attach(DDIMScheduler(prediction_type=kind), lambda _: torch.zeros(2, 2), torch.ones(2))
    for found, wanted in zip(guider._split(noisy, predicted, kept), (clean, noise), strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_scaled_latents_are_those_of_the_same_noise_level(player: Player, exported: Path) -> None:
    latents, labels = start(player)
    scheduler = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", timestep_spacing="trailing", prediction_type="epsilon"
    )
    guider = QuantumGuidance(str(exported))
    guider.attach(scheduler, proxy_of(player.bundle), labels)
    scheduler.set_timesteps(STEPS)
    timestep = scheduler.timesteps[1]
    scheduler.scale_model_input(latents, scheduler.timesteps[0])
    kept = scheduler.alphas_cumprod[int(timestep)]
    noisy = latents + latents.flip(0) * ((1 - kept) / kept).sqrt()
    scheduler._step_index = 1
    scaled = scheduler.scale_model_input(noisy, timestep)
    wanted = kept.sqrt() * latents + (1 - kept).sqrt() * latents.flip(0)
    assert torch.allclose(scaled, wanted, atol=1e-3)


def test_without_guidance_the_denoiser_is_asked_once(player: Player, exported: Path) -> None:
    latents, labels = start(player)
    guider, scheduler = QuantumGuidance(str(exported), enabled=False), scheduler_of(player.bundle)
    made = sample(guider, Unet(player.bundle), scheduler, latents, labels)
    assert guider.scales == []
    assert made.shape == latents.shape


def test_its_configuration_finds_the_controller_again(exported: Path, tmp_path: Path) -> None:
    guider = QuantumGuidance(str(exported))
    guider.save_pretrained(tmp_path)
    again = QuantumGuidance.from_pretrained(tmp_path)
    state = torch.rand(2, 6)
    assert torch.equal(again.controller.guidance(state), guider.controller.guidance(state))
    assert again.new().controller.record == guider.controller.record


def test_what_it_cannot_do_without_is_asked_for(player: Player, exported: Path) -> None:
    guider = QuantumGuidance(str(exported))
    with pytest.raises(ConfigError, match="reads confidence, and no proxy with labels"):
        guider.attach(scheduler_of(player.bundle))
    with pytest.raises(ConfigError, match=r"FlowMatchEulerDiscreteScheduler .* has no alphas"):
        guider.attach(FlowMatchEulerDiscreteScheduler())
    latents, labels = start(player)
    with pytest.raises(ConfigError, match="attached to nothing"):
        sample(guider, Unet(player.bundle), scheduler_of(player.bundle), latents, labels)


def test_a_controller_that_reads_no_proxy_needs_none(tmp_path: Path) -> None:
    features = ["time", "latent_norm", "difference_norm", "previous_action"]
    run = trained_once(tmp_path, "unjudged", {**SETTINGS, "state": {"features": features}})
    export_controller(run, tmp_path / "c")
    assert load_controller(tmp_path / "c").features == tuple(features)
    player = Player.of(run)
    latents, labels = start(player)
    guider, scheduler = QuantumGuidance(str(tmp_path / "c")), scheduler_of(player.bundle)
    guider.attach(scheduler)
    sample(guider, Unet(player.bundle), scheduler, latents, labels)
    assert len(guider.scales) == STEPS
