"""`environment.precision`: what pictures are made in, by settings or by the bundle's card."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from diffusion import denoisers
from diffusion.bundle import Bundle
from diffusion.environment import draw_latents
from qhw.config import parse_config
from qhw.errors import ConfigError
from qhw.training.parts import make_environment, open_bundle

CPU = torch.device("cpu")


def picture(bundle: Bundle, precision: str | None) -> torch.Tensor:
    settings = {"steps": 2, **({"precision": precision} if precision else {})}
    config = parse_config({"environment": settings})
    environment = make_environment(config.environment, bundle, CPU)
    latents = draw_latents(2, 5, environment.sampler.denoiser.sample_shape)
    return environment.sampler.sample(latents, torch.tensor([3, 7]), 2.0)


def test_pictures_change_with_the_precision_and_hardly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoisers, "computes_in_bf16", lambda _: True)
    bundle = open_bundle("fashion-mnist")
    exact, rounded, again = (picture(bundle, each) for each in ("fp32", "bf16", None))
    assert 0 < float((exact - rounded).abs().mean()) < 0.02
    assert torch.equal(exact, again), "the card of a small model says fp32"


def test_bf16_is_refused_where_it_would_be_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoisers, "computes_in_bf16", lambda _: False)
    with pytest.raises(ConfigError, match=r"environment.precision = 'bf16'.*emulated") as no:
        picture(open_bundle("fashion-mnist"), "bf16")
    assert "leave it out" in no.value.hint


def test_a_card_that_says_bf16_is_made_in_fp32_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = open_bundle("fashion-mnist")
    denoiser = bundle.fitted_denoiser
    denoiser.config = dataclasses.replace(denoiser.config, pictures="bf16")
    for has_it, expected in ((False, "fp32"), (True, "bf16")):
        monkeypatch.setattr(denoisers, "computes_in_bf16", lambda _, has_it=has_it: has_it)
        picture(bundle, None)
        assert denoiser.precision == expected
