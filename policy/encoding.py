"""From the state's features to the circuit's encoding angles.

Standardised features z are squeezed by arctan, so that no feature wraps around a rotation. RY turns
by pi/2 + arctan z: around the equator, where its derivative is largest and where the RZ that
follows can be seen (an RZ on |0> is invisible).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from policy.circuit import RingCircuit

DENSE_ORDER = (5, 0, 1, 2, 3, 4)
"""Columns of the paper's state in slot order: p, t, |x|, |eps|, <x, eps>, previous action."""


def unseen_columns(circuit: RingCircuit, num_features: int) -> list[int]:
    """Columns of the state that no angle depends on: with `paper`, those beyond the qubits."""
    return list(range(circuit.num_qubits, num_features)) if circuit.encoding == "paper" else []


class StateScaler(nn.Module):
    """Standardise the state: z_k = (s_k - mean_k) / sd_k.

    Args:
        mean: (F,), of every column of the state.
        sd: (F,), positive.

    Raises:
        ValueError: If there is no column, they are not as many, or one does not vary.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Sequence[float], sd: Sequence[float]) -> None:
        super().__init__()
        if not mean or len(mean) != len(sd) or min(sd) <= 0:
            raise ValueError(f"mean {mean} and sd {sd}: give one of each per column, sd positive")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("sd", torch.tensor(sd, dtype=torch.float32))

    @property
    def num_features(self) -> int:
        """Columns F of the state."""
        return len(self.mean)

    def forward(self, state: Tensor) -> Tensor:
        """Standardise (N, F)."""
        return (state - self.mean) / self.sd


class Encoder(nn.Module):
    """Turn standardised features (N, F) into angles (N, A) in rad.

    `dense` and `reupload` put feature `order[k mod F]` into slot k of 2n; `paper` turns qubit i by
    raw feature i mod F, RY and RZ alike; `linear` learns a map F -> n (Glorot start) and uses it
    like `paper` with the dense offsets.

    Args:
        circuit: Its encoding decides.
        scaler: Standardisation; `paper` takes the raw state.
        generator: Draws the start of the `linear` map.
        order: The F columns in slot order, each once; used by `dense` and `reupload`.

    Raises:
        ValueError: If the order is not one of the scaler's columns, or there are too few slots.
    """

    def __init__(
        self,
        circuit: RingCircuit,
        scaler: StateScaler,
        generator: torch.Generator,
        order: Sequence[int] = DENSE_ORDER,
    ) -> None:
        super().__init__()
        if sorted(order) != list(range(scaler.num_features)):
            raise ValueError(
                f"order {tuple(order)}: name each of the {scaler.num_features} columns once"
            )
        _require_slots(circuit, scaler.num_features)
        self.circuit = circuit
        self.scaler = scaler
        self.order = tuple(order)
        self.linear: nn.Linear | None = None
        if circuit.encoding == "linear":
            self.linear = nn.Linear(scaler.num_features, circuit.num_qubits)
            nn.init.xavier_uniform_(self.linear.weight, generator=generator)
            nn.init.zeros_(self.linear.bias)

    def forward(self, state: Tensor) -> Tensor:
        """Angles (N, A) of raw states (N, F)."""
        n = self.circuit.num_qubits
        if self.circuit.encoding == "paper":
            columns = [i % len(self.order) for i in range(n)]
            return state[:, columns].repeat(1, 2)
        if self.linear is not None:
            turned = torch.arctan(self.linear(self.scaler(state)))
            return torch.cat([math.pi / 2 + turned, turned], dim=1)
        slots = [self.order[k % len(self.order)] for k in range(2 * n)]
        turned = torch.arctan(self.scaler(state)[:, slots])
        once = torch.cat([math.pi / 2 + turned[:, :n], turned[:, n:]], dim=1)
        return once.repeat(1, self.circuit.num_angles // (2 * n))


def _require_slots(circuit: RingCircuit, num_features: int) -> None:
    slots = 2 * circuit.num_qubits
    if circuit.encoding in ("dense", "reupload") and slots < num_features:
        raise ValueError(
            f"encoding {circuit.encoding!r} has {slots} slots on {circuit.num_qubits} qubits for "
            f"{num_features} features: take {math.ceil(num_features / 2)} qubits or more, or "
            "encoding 'linear'"
        )
