"""What networks compute with: bf16 only where there is one, and close to fp32."""

from __future__ import annotations

import pytest
import torch

from diffusion import denoisers
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.precision import Precision, computes_in_bf16, computing_in

CPU = torch.device("cpu")


def denoiser(pictures: Precision = "fp32") -> PixelDenoiser:
    torch.manual_seed(0)
    config = PixelDenoiserConfig(pictures=pictures)
    return PixelDenoiser(config).eval().requires_grad_(False)


def test_a_processor_says_what_its_capabilities_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, expected in (({"avx512_bf16": True}, True), ({"avx512_f": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda said=said: said)
        assert computes_in_bf16(CPU) is expected


def test_pictures_are_as_the_card_says_where_the_device_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = denoiser(), denoiser(pictures="bf16")
    for has_it, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(denoisers, "computes_in_bf16", lambda _, has_it=has_it: has_it)
        large.make_in(None)
        small.make_in(None)
        assert (large.precision, small.precision) == (expected, "fp32")


def test_what_the_device_has_not_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoisers, "computes_in_bf16", lambda _: False)
    model = denoiser(pictures="bf16")
    with pytest.raises(ValueError, match="computes nothing in bf16"):
        model.make_in("bf16")
    model.make_in("fp32")
    assert model.precision == "fp32"


def test_predictions_in_bf16_are_fp32_numbers_close_to_those_of_fp32() -> None:
    model = denoiser()
    latents, labels = torch.randn(4, *model.sample_shape), torch.arange(4)
    exact = model.predict(latents, 700, labels)
    model.precision = "bf16"
    rounded = model.predict(latents, 700, labels)
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == torch.float32
        assert 0 < float((one - other).std() / one.std()) < 0.03


def test_a_batch_in_bf16_is_the_same_on_two_threads() -> None:
    model = denoiser()
    model.precision = "bf16"
    latents, labels = torch.randn(64, *model.sample_shape), torch.arange(64) % 10
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(model.predict(latents, 300, labels)[1])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_only_bf16_is_autocast() -> None:
    one = torch.ones(2, 2)
    with computing_in("fp32", CPU):
        assert (one @ one).dtype == torch.float32
    with computing_in("bf16", CPU):
        assert (one @ one).dtype == torch.bfloat16
