"""One training loop for all networks of a bundle, resumable at any moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

Report = Callable[[str], None]
SAVE_EVERY = 200


@dataclass(frozen=True)
class Budget:
    """How long a network is trained: by time, or by how many pictures it sees.

    Attributes:
        seconds: On a processor CPU-seconds of all threads, on a GPU seconds.
        steps: Batches, instead of them.
    """

    seconds: float
    steps: int | None = None

    def share(self, step: int, seconds: float) -> float:
        """What is used of it after some steps and seconds; 1 is all."""
        return seconds / self.seconds if self.steps is None else step / self.steps


@dataclass(frozen=True)
class Recipe:
    """How one network is optimised: linear warm-up, cosine decay over the budget.

    Attributes:
        name: Name of the network and its saved state.
        rate: Largest learning rate.
        weight_decay: Decoupled, of AdamW; of SGD a part of the gradient.
        budget: When it ends.
        seed: Seed of the batches.
        momentum: Of SGD, Nesterov's; None is AdamW.
    """

    name: str
    rate: float
    weight_decay: float
    budget: Budget
    seed: int
    momentum: float | None = None

    def optimizer(self, model: nn.Module) -> Optimizer:
        """What moves a network's weights."""
        weights, decay = model.parameters(), self.weight_decay
        if self.momentum is None:
            return AdamW(weights, lr=self.rate, weight_decay=decay, fused=True)
        return SGD(weights, lr=self.rate, momentum=self.momentum, weight_decay=decay, nesterov=True)

    def rate_at(self, step: int, seconds: float) -> float:
        """Learning rate after some steps and seconds."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.budget.share(step, seconds))))
        return self.rate * min(1.0, (step + 1) / 150) * (cosine + 0.01)


def run_training(
    recipe: Recipe,
    modules: dict[str, nn.Module],
    loss: Callable[[torch.Generator], Tensor],
    follow: Callable[[int], None],
    work: Path,
    report: Report,
    saved: Callable[[int, float], None] | None = None,
) -> None:
    """Optimise `modules["model"]` until the budget is used up, resuming a saved state.

    Batches depend on the seed and the step alone, so a resumed run sees what it would have seen.

    Args:
        recipe: Rates and budget.
        modules: `model` and what is saved with it.
        loss: Loss of one batch, which it draws with the given generator.
        follow: Called with the number of every finished step.
        work: Folder of the saved state.
        report: Prints a line of progress.
        saved: Called with the step and the seconds after every save.
    """
    work.mkdir(parents=True, exist_ok=True)
    model = modules["model"].train()
    optimizer = recipe.optimizer(model)
    path = work / f"{recipe.name}.safetensors"
    step, used = _restore(path, modules, optimizer)
    clock = clock_of(model_device(model))
    last = clock()
    while recipe.budget.share(step, used) < 1:
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step, used)
        value = loss(torch.Generator().manual_seed(recipe.seed * 1_000_003 + step))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        follow(step)
        now = clock()
        used, last = used + now - last, now
        if step % SAVE_EVERY == 0 or recipe.budget.share(step, used) >= 1:
            _save(path, modules, optimizer, step, used)
            if saved is not None:
                saved(step, used)
            report(
                f"{recipe.name}: step {step}, {used:.0f} s of {model_device(model).type}, "
                f"loss {float(value.detach()):.4f}"
            )


def model_device(model: nn.Module) -> torch.device:
    """Where a network's weights are."""
    return next(model.parameters()).device


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds as a budget counts them: CPU time of a processor, else what the clock shows."""
    if device.type == "cpu":
        return time.process_time

    def waited() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return waited


def _save(
    path: Path, modules: dict[str, nn.Module], optimizer: Optimizer, step: int, used: float
) -> None:
    tensors = {
        f"{m}/{k}": v for m, module in modules.items() for k, v in module.state_dict().items()
    }
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    tensors["progress"] = torch.tensor([step, used], dtype=torch.float64)
    temporary = path.with_suffix(".partial")
    save_file({key: value.contiguous() for key, value in tensors.items()}, temporary)
    temporary.replace(path)


def _restore(path: Path, modules: dict[str, nn.Module], optimizer: Optimizer) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    tensors = load_file(path)
    for name, module in modules.items():
        prefix = f"{name}/"
        module.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, field = key.split("/")
            states.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    step, used = tensors["progress"].tolist()
    return int(step), float(used)
