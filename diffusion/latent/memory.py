"""What a forward needs of memory, told before it is tried.

The networks are built without weights (on torch's `meta` device) and asked once; every tensor that
comes and goes is counted. Attention is counted as torch computes it on GPUs and processors: without
ever holding its matrix.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diffusion.latent.denoiser import LatentDenoiser

WEIGHTS_MARGIN, FORWARD_MARGIN = 1.1, 2.0
"""Allocators keep more than is in use, and convolutions take as much again for themselves."""
GIGABYTE = 1e9
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes, before any margin.

    Attributes:
        weights: Of UNet and autoencoder.
        prediction: At the peak of one forward of the UNet, beside them.
        decoding: At the peak of the autoencoder's, likewise.
    """

    weights: int
    prediction: int
    decoding: int

    @property
    def total(self) -> int:
        """What has to be free."""
        forward = max(self.prediction, self.decoding)
        return int(WEIGHTS_MARGIN * self.weights + FORWARD_MARGIN * forward)


def memory_need(denoiser: LatentDenoiser, batch: int) -> MemoryNeed:
    """What making pictures takes, with so many in one forward."""
    unet, vae = (_hollow(network) for network in (denoiser.unet, denoiser.vae))
    weights = sum(_bytes_of(network) for network in (unet, vae))
    tokens = denoiser.conditional.shape[1:]
    given = {"dtype": denoiser.unet.dtype, "device": "meta"}
    latents = torch.empty(2 * batch, *denoiser.sample_shape, **given)
    text = torch.empty(2 * batch, *tokens, **given)
    prediction = _peak(lambda: unet(latents, 500, encoder_hidden_states=text, return_dict=False))
    decoded = torch.empty(denoiser.decoded_at_once(batch), *denoiser.sample_shape, **given)
    decoding = _peak(lambda: vae.decode(decoded, return_dict=False))
    return MemoryNeed(weights, prediction, decoding)


def require_memory(denoiser: LatentDenoiser, device: torch.device) -> None:
    """Refuse a batch that would not fit on a device, and say which would.

    Where the system does not say what is free, nothing is refused.

    Raises:
        MemoryError: If it does not fit.
    """
    free = free_memory(device)
    if free is None:
        return
    there = denoiser.unet.device.type == device.type
    # What is on the device already is not free any more.
    free += memory_need(denoiser, 1).weights if there else 0
    need = memory_need(denoiser, denoiser.batch).total
    if need <= free:
        return
    smaller = [denoiser.batch >> halvings for halvings in range(1, denoiser.batch.bit_length())]
    fits = next((size for size in smaller if memory_need(denoiser, size).total <= free), None)
    told = f"{fits} would fit" if fits else "not even one fits"
    raise MemoryError(
        f"{denoiser.batch} pictures of {denoiser.side} x {denoiser.side} in one forward need about "
        f"{need / GIGABYTE:.1f} GB, and {free / GIGABYTE:.1f} GB are there: {told}"
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where the system does not say."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    if not _MEMINFO.exists():
        return None
    lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    available = [line for line in lines if line.startswith("MemAvailable:")]
    return int(available[0].split()[1]) * 1024 if available else None


def _hollow(network: Any) -> Any:
    """The same architecture and precision, without weights."""
    with torch.device("meta"):
        hollow: nn.Module = type(network).from_config(network.config)
    # Not the library's own `to`, which warns where there are no weights.
    return nn.Module.to(hollow, network.dtype).eval()


def _bytes_of(network: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in network.parameters())


def _peak(forward: Callable[[], Any]) -> int:
    with torch.no_grad(), _Counting() as counting, _Streamed():
        forward()
    peak: int = counting.peak
    return peak


class _Counting(TorchDispatchMode):
    """Counts the memory of tensors that are made within it, at its largest."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in _tensors((args, kwargs)):
            self._count(tensor.untyped_storage(), 0)
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            self._count(tensor.untyped_storage(), tensor.untyped_storage().nbytes())
        return made

    def _count(self, storage: torch.UntypedStorage, size: int) -> None:
        """Count a storage once, until it is gone; what came from outside has size 0."""
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._now -= size
        self._known.discard(key)


class _Streamed(TorchFunctionMode):
    """Attention that holds its result alone."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            query = args[0] if args else kwargs["query"]
            return torch.empty_like(query)
        return func(*args, **(kwargs or {}))


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
