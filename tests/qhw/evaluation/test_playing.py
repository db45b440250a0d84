"""Episodes on a device that are taken up again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from qhw.evaluation.playing import _Device
from qhw.runs.checkpoint import pack
from qhw.runs.directory import Checkpoint
from qhw.training.trainer import Meter


class Environment:
    """Takes up what it is given."""

    num_steps = 4
    restored: dict[str, torch.Tensor]

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        self.restored = tensors


def test_a_journal_is_taken_up_on_the_trainers_torch_device() -> None:
    tensors = {"states": torch.zeros(1, 2, 6), "environment/latents": torch.zeros(2, 1, 4, 4)}
    state: dict[str, Any] = {"stage": "images/3", "backend": {}, "costs": {}}
    journal = pack(Checkpoint(3, tensors, state))
    backend: Any = SimpleNamespace(
        latest_journal=lambda: journal, restore_random_state=lambda state: None
    )
    trainer: Any = SimpleNamespace(
        done=3, device=torch.device("meta"), environment=Environment(), meter=Meter()
    )
    playing = _Device(trainer, backend, "images", 1)._resume()
    assert playing is not None
    assert playing.states[-1].device.type == "meta"
    assert trainer.environment.restored["latents"].device.type == "meta"
