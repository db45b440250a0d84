"""A rollout or an update under way, as tensors that can be put aside and taken up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Playing
from policy import MinibatchRecord, Rollout, ShotNoise, UpdateProgress
from qhw.runs.checkpoint import prefixed, section

COLUMNS = tuple(column.name for column in fields(Rollout))


def rollout_of(playing: Playing) -> Rollout:
    """The finished rollout, in main memory."""
    return Rollout(**_columns(playing))


def rollout_tensors(playing: Playing) -> dict[str, Tensor]:
    """A rollout under way; `restore_rollout` takes it up."""
    collecting = {"state": playing.state, **prefixed(_columns(playing), "columns")}
    environment = prefixed(playing.environment.tensors(), "environment")
    return {**prefixed(collecting, "collecting"), **environment}


def restore_rollout(
    environment: GuidanceEnvironment, tensors: Mapping[str, Tensor]
) -> Playing | None:
    """Take up what `rollout_tensors` gave; None where no rollout was under way.

    Its columns are those of a rollout: no episode can be made of it.
    """
    collecting = section(tensors, "collecting")
    if not collecting:
        return None
    environment.restore(section(tensors, "environment"))
    columns = {name: list(column) for name, column in section(collecting, "columns").items()}
    return Playing(environment, collecting["state"], columns)


@dataclass
class Updating:
    """An update under way.

    Attributes:
        rollout: The rollout it learns from.
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
            for name in COLUMNS
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


def _columns(playing: Playing) -> dict[str, Tensor]:
    """A rollout's columns (T, N, ...) so far; those of the circuit only where there is one."""
    return {name: torch.stack(playing.columns[name]) for name in COLUMNS if name in playing.columns}
