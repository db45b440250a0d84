"""From the six state features to the circuit's encoding angles.

Standardised features z are squeezed by arctan, so that no feature wraps around a rotation. RY turns
by pi/2 + arctan z: around the equator, where its derivative is largest and where the RZ that
follows can be seen (an RZ on |0> is invisible).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from policy.circuit import NUM_FEATURES, RingCircuit

DENSE_ORDER = (5, 0, 1, 2, 3, 4)
"""Columns of the state in slot order: p, t, |x|, |eps|, <x, eps>, previous action."""


def unseen_columns(circuit: RingCircuit) -> list[int]:
    """Columns of the state that no angle depends on: with `paper`, those beyond the qubits."""
    return list(range(circuit.num_qubits, NUM_FEATURES)) if circuit.encoding == "paper" else []


class StateScaler(nn.Module):
    """Standardise the state: z_k = (s_k - mean_k) / sd_k.

    Args:
        mean: (6,), stored with the model bundle.
        sd: (6,), positive.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Sequence[float], sd: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != NUM_FEATURES or len(sd) != NUM_FEATURES or min(sd) <= 0:
            raise ValueError(f"mean {mean} and sd {sd}: give six numbers each, sd positive")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("sd", torch.tensor(sd, dtype=torch.float32))

    def forward(self, state: Tensor) -> Tensor:
        """Standardise (N, 6)."""
        return (state - self.mean) / self.sd


class Encoder(nn.Module):
    """Turn standardised features (N, 6) into angles (N, A) in rad.

    `dense` and `reupload` put feature `DENSE_ORDER[k mod 6]` into slot k; `paper` turns qubit i by
    raw feature i, RY and RZ alike; `linear` learns a map 6 -> n (Glorot start) and uses it like
    `paper` with the dense offsets.

    Args:
        circuit: Its encoding decides.
        scaler: Standardisation; `paper` takes the raw state.
        generator: Draws the start of the `linear` map.
    """

    def __init__(
        self, circuit: RingCircuit, scaler: StateScaler, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.circuit = circuit
        self.scaler = scaler
        self.linear: nn.Linear | None = None
        if circuit.encoding == "linear":
            self.linear = nn.Linear(NUM_FEATURES, circuit.num_qubits)
            nn.init.xavier_uniform_(self.linear.weight, generator=generator)
            nn.init.zeros_(self.linear.bias)

    def forward(self, state: Tensor) -> Tensor:
        """Angles (N, A) of raw states (N, 6)."""
        n = self.circuit.num_qubits
        if self.circuit.encoding == "paper":
            columns = [i % NUM_FEATURES for i in range(n)]
            return state[:, columns].repeat(1, 2)
        if self.linear is not None:
            turned = torch.arctan(self.linear(self.scaler(state)))
            return torch.cat([math.pi / 2 + turned, turned], dim=1)
        slots = [DENSE_ORDER[k % NUM_FEATURES] for k in range(2 * n)]
        turned = torch.arctan(self.scaler(state)[:, slots])
        once = torch.cat([math.pi / 2 + turned[:, :n], turned[:, n:]], dim=1)
        return once.repeat(1, self.circuit.num_angles // (2 * n))
