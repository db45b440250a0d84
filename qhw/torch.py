"""A circuit as a layer of any torch model, on any backend: `qhw.torch.Layer`.

What a device is asked goes through the transpile cache, the ledger and the limits: a program that
is started again under the same name pays for nothing twice.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from policy import Ansatz, Cost, ExpectationBackend, GradientRule, ParameterShift, expectations
from qhw.budget.limits import qpu_seconds
from qhw.budget.planned_jobs import DEFAULT_SHOTS
from qhw.devices.backend import DeviceBackend
from qhw.devices.configured import close_backend, open_named


class Layer(nn.Module):
    """Expectation values <Z_i> of a circuit with trainable weights.

        (B, A) inputs in rad -> (B, n) values in [-1, 1]

    A forward pass is one job of B circuits, a backward pass one of 2 P B (shift rule), and 2 A B
    more where the inputs require a gradient. Close it, or use it in a `with` block: that ends the
    session or batch of a device. Under one name a device is asked the same in the same order: each
    layer of a model has a name of its own, and a program that asks otherwise takes another.

    Args:
        circuit: `policy.RingCircuit`, or `policy.OwnCircuit` for one of your own.
        backend: `aer`, `aer_noisy`, `fake_*` or `ibm_*`; or one of your own.
        name: Under which a device's answers are kept and found again. Needed for `ibm_*`.
        rule: How the weights are differentiated; one that draws must be seeded to find its answers
            again.
        seed: Draws the first weights, uniformly in [-pi, pi], and a simulator's shots.
        **settings: Of the tables `backend` and `hardware`, such as `shots=1024`,
            `device="fake_fez"` or `max_qpu_seconds=60`; `qhw config` lists them.

    Attributes:
        weights: (P,) trainable angles in rad.
        cost: What its answers took, those that were found in the ledger included, and calibration
            not.

    Raises:
        QhwError: If a setting is unknown or does not fit, or the backend cannot be opened.
    """

    def __init__(
        self,
        circuit: Ansatz,
        backend: str | ExpectationBackend = "aer",
        *,
        name: str | None = None,
        rule: GradientRule | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.circuit = circuit
        self.rule = rule or ParameterShift()
        self.backend = open_named(circuit, backend, name=name, seed=seed, settings=settings)
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand(circuit.num_weights, generator=generator)
        self.weights = nn.Parameter((2 * uniform - 1) * math.pi)
        self.cost = Cost()

    def forward(self, inputs: Tensor) -> Tensor:
        """Values (B, n) of inputs (B, A) in rad.

        Raises:
            ValueError: If the shape does not fit the circuit, or a number is not finite.
            QhwError: If a device refuses, or a limit is reached.
        """
        return expectations(inputs, self.weights, self.backend, self.rule, self._record)

    def qpu_seconds(self, rows: int) -> float:
        """What a device takes for a training step by the shift rule, without mitigation.

        Calibration comes on top, `zne` multiplies it, and so does a gradient of the inputs.

        Args:
            rows: B.
        """
        shots = self.backend.shots if isinstance(self.backend, DeviceBackend) else DEFAULT_SHOTS
        circuits = rows + 2 * self.circuit.num_weights * rows
        return qpu_seconds(2, circuits, shots)

    def extra_repr(self) -> str:
        """The circuit, for `print(model)`."""
        return self.circuit.summary

    def close(self) -> None:
        """End a device's session or batch; a simulator has none."""
        close_backend(self.backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _record(self, _phase: str, cost: Cost) -> None:
        self.cost = self.cost + cost
