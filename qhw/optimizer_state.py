"""An optimizer's state as flat tensors and back."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer


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
