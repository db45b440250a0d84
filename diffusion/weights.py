"""Weights on disk: half precision, or matrices in eight bits where a network is large.

A matrix in eight bits is whole numbers from -127 to 127 and one scale for each of its rows (those
of a convolution are its output channels). It is read back as fp32, so what is lost is the rounding,
half a step of the row's largest weight / 127.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Storage = Literal["fp16", "int8"]
SCALE = ":scale"
"""Ends the name of the scales (rows,) that belong to a matrix in eight bits."""
LEVELS = 127

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def save_weights(module: nn.Module, path: Path, storage: Storage = "fp16") -> None:
    """Write a module's weights; integer buffers stay as they are.

    Args:
        module: Whose weights.
        path: The file.
        storage: Of what has two dimensions or more; everything else is fp16.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in module.state_dict().items():
        if storage == "int8" and value.ndim > 1 and value.is_floating_point():
            tensors[name], tensors[name + SCALE] = _in_eight_bits(value)
        else:
            tensors[name] = value.half() if value.is_floating_point() else value
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def load_weights(module: ModuleT, path: Path) -> ModuleT:
    """Read what `save_weights` wrote, in fp32, and freeze the module."""
    tensors = load_file(path)
    module.load_state_dict(
        {name: _read(tensors, name) for name in tensors if not name.endswith(SCALE)}
    )
    frozen = module.eval().requires_grad_(False)
    return frozen.to(memory_format=torch.channels_last)


def _in_eight_bits(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers like the weights, and the scales (rows,) that they are multiplied with."""
    scale = weights.flatten(1).abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / LEVELS
    rows = scale.view(-1, *[1] * (weights.ndim - 1))
    return (weights / rows).round().to(torch.int8), scale


def _read(tensors: dict[str, Tensor], name: str) -> Tensor:
    stored = tensors[name]
    if name + SCALE in tensors:
        return stored.float() * tensors[name + SCALE].view(-1, *[1] * (stored.ndim - 1))
    return stored.float() if stored.is_floating_point() else stored
