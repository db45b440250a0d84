"""Episodes on a device that are taken up again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from qhw.evaluation.playing import _OnDevice
from qhw.runs.checkpoint import Checkpoint, pack


class Environment:
    """Takes up what it is given."""

    num_steps = 4
    restored: dict[str, torch.Tensor]

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        self.restored = tensors


def test_a_journal_is_taken_up_on_the_processor_and_given_to_the_environment() -> None:
    tensors = {"states": torch.zeros(1, 2, 6), "environment/latents": torch.zeros(2, 1, 4, 4)}
    state: dict[str, Any] = {"stage": "images/3", "backend": {}, "costs": {}}
    journal = pack(Checkpoint(3, tensors, state))
    restored: list[dict[str, Any]] = []
    backend: Any = SimpleNamespace(latest_journal=lambda: journal)
    player: Any = SimpleNamespace(
        updates=3,
        environment=Environment(),
        restore_state=restored.append,
    )
    playing = _OnDevice(player, backend, "images").resumed()
    assert playing is not None
    assert playing.state.device.type == "cpu"
    assert restored == [state]
    assert player.environment.restored["latents"].shape == (2, 1, 4, 4)
