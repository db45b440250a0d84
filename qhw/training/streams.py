"""Every stream of random numbers a run uses, by name, and how to save and restore them.

Streams are derived from the run's seed and their own name, so adding one moves no other.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


def stream_seed(seed: int, stream: str) -> int:
    """Derive a 63-bit seed for the named stream."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(stream.encode())])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class Streams:
    """The random streams of training.

    Attributes:
        actions: Draws the actions of rollouts.
        minibatches: Permutes the transitions of an update.
        gradients: Used by the gradient rules that draw (pruned shift, SPSA), and by canaries.
    """

    actions: torch.Generator
    minibatches: torch.Generator
    gradients: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> Streams:
        """Start every stream from the run's seed."""
        return cls(
            torch.Generator().manual_seed(stream_seed(seed, "actions")),
            torch.Generator().manual_seed(stream_seed(seed, "minibatches")),
            np.random.default_rng(stream_seed(seed, "gradients")),
        )

    def state(self) -> dict[str, Any]:
        """The streams' positions as plain JSON."""
        return {
            "actions": _encode(self.actions.get_state()),
            "minibatches": _encode(self.minibatches.get_state()),
            "gradients": json.dumps(self.gradients.bit_generator.state),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put every stream back where `state` was taken."""
        self.actions.set_state(_decode(state["actions"]))
        self.minibatches.set_state(_decode(state["minibatches"]))
        self.gradients.bit_generator.state = json.loads(state["gradients"])


def _encode(state: torch.Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode("ascii")


def _decode(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
