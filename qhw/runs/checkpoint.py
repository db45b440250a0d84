"""A checkpoint as bytes, for the ledger: what a run resumes from in the middle of an update."""

from __future__ import annotations

import json

from torch import Tensor
from torch.optim import Optimizer

from qhw.errors import CheckpointError
from qhw.runs.directory import Checkpoint


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
