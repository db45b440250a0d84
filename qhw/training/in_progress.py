"""A rollout or an update under way, as tensors that can be put aside and taken up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from policy import MinibatchRecord, Rollout, ShotNoise, UpdateProgress

COLUMNS = ("states", "actions", "log_probs", "values", "rewards", "dones")
MEASURED = ("features", "feature_errors")
"""Columns that only an actor with a circuit has."""


@dataclass
class Collecting:
    """A rollout under way.

    Attributes:
        state: (N, 6) to act on now.
        columns: Name to one tensor per finished step.
    """

    state: Tensor
    columns: dict[str, list[Tensor]] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Finished steps."""
        return len(self.columns.get("actions", ()))

    def add(self, row: Mapping[str, Tensor]) -> None:
        """Append a step."""
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)

    def rollout(self) -> Rollout:
        """The finished rollout."""
        return Rollout(**{name: torch.stack(column) for name, column in self.columns.items()})

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the environment."""
        stacked = {f"columns/{name}": torch.stack(column) for name, column in self.columns.items()}
        return {"state": self.state, **stacked}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Collecting:
        """Take up what `tensors` gave."""
        columns = {name: list(column) for name, column in section(tensors, "columns").items()}
        return cls(tensors["state"], columns)


@dataclass
class Updating:
    """An update under way.

    Attributes:
        rollout: It learns from.
        before: The actor's trainable parameters at its beginning.
        noise: What shot noise did to the rollout; None where it is exact.
        progress: How far it has come.
    """

    rollout: Rollout
    before: Sequence[Tensor]
    noise: ShotNoise | None
    progress: UpdateProgress = field(default_factory=UpdateProgress)

    def tensors(self) -> dict[str, Tensor]:
        """All that is a tensor."""
        columns = {
            f"rollout/{name}": getattr(self.rollout, name)
            for name in (*COLUMNS, *MEASURED)
            if getattr(self.rollout, name) is not None
        }
        before = {f"before/{index:04d}": tensor for index, tensor in enumerate(self.before)}
        return {**columns, **before, "order": self.progress.order}

    def state(self) -> dict[str, Any]:
        """All that is a plain number."""
        records = [asdict(record) for record in self.progress.records]
        noise = None if self.noise is None else asdict(self.noise)
        return {"passes": self.progress.passes, "records": records, "noise": noise}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Updating:
        """Take up what `tensors` and `state` gave."""
        before = section(tensors, "before")
        records = [MinibatchRecord(**record) for record in state["records"]]
        return cls(
            Rollout(**section(tensors, "rollout")),
            [before[name] for name in sorted(before)],
            None if state["noise"] is None else ShotNoise(**state["noise"]),
            UpdateProgress(tensors["order"], state["passes"], records),
        )


def section(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors below `name/`, without that prefix."""
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def prefixed(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors under `name/`; `section` takes them out again."""
    return {f"{name}/{key}": tensor for key, tensor in tensors.items()}
