"""A checkpoint: what it holds, how its tensors are named, and its form as bytes for the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhw.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on bit for bit.

    Attributes:
        update: Updates done.
        tensors: Named by what they belong to, such as `actor/...` and `critic_optimizer/...`.
        state: Plain JSON.
    """

    update: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def pack(checkpoint: Checkpoint) -> bytes:
    """Render as safetensors with the plain state beside the tensors; nothing is pickled."""
    from safetensors.torch import save

    state = json.dumps({"update": checkpoint.update, **checkpoint.state})
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    return save(tensors, metadata={"state": state})


def unpack(content: bytes) -> Checkpoint:
    """Read what `pack` rendered.

    Raises:
        CheckpointError: If it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        state = json.loads(header["__metadata__"]["state"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"The journal of the run is damaged: {error}",
            "Start a new run with `--from` this one; what was paid for stays in the ledger.",
        ) from error
    return Checkpoint(state.pop("update"), tensors, state)


def optimizer_tensors(name: str, optimizer: Optimizer) -> dict[str, Tensor]:
    """The state of every parameter, under `name/`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{name}/{index}.{key}": value
        for index, values in state.items()
        for key, value in values.items()
    }


def restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Take up what `optimizer_tensors` gave, without its prefix."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})


def restore_module(module: nn.Module, name: str, checkpoint: Checkpoint) -> None:
    """Take up a module's weights, which lie under `name/`.

    Raises:
        CheckpointError: If they have other shapes.
    """
    own, theirs = module.state_dict(), section(checkpoint.tensors, name)
    unlike = [key for key in {**own, **theirs} if _shape(own, key) != _shape(theirs, key)]
    if unlike:
        more = f", and {len(unlike) - 1} more" if unlike[1:] else ""
        raise CheckpointError(
            f"The checkpoint does not fit the run's configuration: {name}/{unlike[0]} is "
            f"{_shape(theirs, unlike[0])} in it, and {_shape(own, unlike[0])} is asked for{more}.",
            "Restore the config.toml it was trained with, or train anew.",
        )
    module.load_state_dict(theirs)


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    """Such as `48 x 4`; `missing` if it is not there."""
    if name not in tensors:
        return "missing"
    return " x ".join(map(str, tensors[name].shape)) or "a number"


def section(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors below `name/`, without that prefix."""
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def prefixed(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors under `name/`; `section` takes them out again."""
    return {f"{name}/{key}": tensor for key, tensor in tensors.items()}
