from __future__ import annotations

import pytest
import torch

from diffusion.bundle import load_bundle
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from qhw import threads


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_ALLOWED", 2)


def played(count: int) -> list[torch.Tensor]:
    bundle = load_bundle()
    environment = GuidanceEnvironment(
        bundle.sampler(3), bundle.proxy, bundle.card.reward, bundle.card.cfg_base
    )
    latents = draw_latents(count, 0, bundle.denoiser.sample_shape)
    seen = [environment.reset(latents, draw_labels(count, 10))]
    for _ in range(3):
        result = environment.step(torch.full((count,), 0.3))
        seen += [result.state, result.reward]
    return seen


@pytest.mark.parametrize("count", [7, 100])
@pytest.mark.usefixtures("two_cores")
def test_pictures_do_not_depend_on_the_threads(count: int) -> None:
    with threads.one_thread():
        alone = played(count)
    with threads.for_pictures():
        together = played(count)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.usefixtures("two_cores")
def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with threads.one_thread():
        assert torch.get_num_threads() == 1
        with threads.for_pictures():
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_more_cores_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_ALLOWED", 64)
    with threads.for_pictures():
        assert torch.get_num_threads() == threads.MOST
