from __future__ import annotations

import gc
import itertools

import pytest
import torch

from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.frame import Frame
from diffusion.latent.memory import free_memory, memory_need, require_memory
from diffusion.latent.prompts import PromptEmbeddings


def test_the_need_grows_with_the_batch(denoiser: LatentDenoiser) -> None:
    needs = [memory_need(denoiser, batch) for batch in (1, 2, 4, 8, 16)]
    for less, more in itertools.pairwise(needs):
        assert less.weights == more.weights
        assert less.prediction < more.prediction
        assert less.decoding <= more.decoding
        assert less.total < more.total
    weights = sum(w.numel() * 4 for net in (denoiser.unet, denoiser.vae) for w in net.parameters())
    assert needs[0].weights == weights
    assert needs[0].total > weights + max(needs[0].prediction, needs[0].decoding)


def test_larger_pictures_need_more(denoiser: LatentDenoiser) -> None:
    embeddings = PromptEmbeddings(denoiser.conditional, denoiser.unconditional)
    larger = LatentDenoiser(
        denoiser.unet, denoiser.vae, embeddings, "epsilon", Frame(1, 16), side=64
    )
    small, large = memory_need(denoiser, 4), memory_need(larger, 4)
    assert large.prediction > 3 * small.prediction
    assert large.decoding > 3 * small.decoding


def test_no_less_is_counted_than_a_known_block_holds(denoiser: LatentDenoiser) -> None:
    """The peak is at least what the last block holds: its input, the skip, and both together."""
    need = memory_need(denoiser, 1)
    widest = 2 * 16 * 16 * 16 * 4
    assert need.prediction >= 3 * widest


def test_counting_leaves_nothing_behind(denoiser: LatentDenoiser) -> None:
    first = memory_need(denoiser, 3)
    gc.collect()
    assert memory_need(denoiser, 3) == first


def test_a_batch_that_does_not_fit_is_answered_with_one_that_does(
    denoiser: LatentDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = {batch: memory_need(denoiser, batch) for batch in (1, 2, 4, 8)}

    def there_are(total: int) -> torch.device:
        free = total - need[1].weights
        monkeypatch.setattr("diffusion.latent.memory.free_memory", lambda _device: free)
        return torch.device("cpu")

    require_memory(denoiser, there_are(need[8].total))
    with pytest.raises(MemoryError, match=r"8 pictures of 32 x 32 .* 4 would fit"):
        require_memory(denoiser, there_are(need[8].total - 1))
    with pytest.raises(MemoryError, match="1 would fit"):
        require_memory(denoiser, there_are(need[1].total))
    with pytest.raises(MemoryError, match="not even one fits"):
        require_memory(denoiser, there_are(need[1].total - 1))


def test_where_nothing_is_known_nothing_is_refused(
    denoiser: LatentDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffusion.latent.memory.free_memory", lambda _device: None)
    require_memory(denoiser, torch.device("cpu"))


def test_this_machine_says_what_is_free() -> None:
    free = free_memory(torch.device("cpu"))
    assert free is None or 1e6 < free < 1e15
