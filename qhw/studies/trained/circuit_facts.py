"""What an arm's circuit costs on a device, how noise moves it, and how large its gradient is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhw.budget.planning import ASSUMED_DEVICE, num_weights, plan_run
from qhw.config import RunConfig
from qhw.runs.directory import RunDirectory
from qhw.runs.settings import settings_on_backend

PICTURES = 16
"""Of the quoted run, as `qhw run` makes them."""
SHARE = 10
"""The first and the last tenth of all updates are looked at."""


@dataclass(frozen=True)
class CircuitFacts:
    """Of a circuit that learns, or does not.

    Attributes:
        qpu_seconds: Quoted for `qhw run` without mitigation, on any device.
        gradient_first: How large the circuit's gradient is for one of its weights: its norm before
            clipping, a mean over an update's minibatches, divided by the root of the number of
            weights; of that the root mean square over the first tenth of updates and all seeds. It
            goes through the backend that trains, so with its noise, and holds the minibatches'
            own. None where the circuit is frozen.
        gradient_last: The same over the last tenth.
        error: Mean absolute error of an observable; see `circuit_error`. A mean over seeds; None
            on pages of before it was measured.
    """

    qpu_seconds: float
    gradient_first: float | None
    gradient_last: float | None
    error: float | None = None

    @property
    def columns(self) -> tuple[float | None, ...]:
        """In the order of `HEADINGS`."""
        return self.qpu_seconds, self.error, self.gradient_first, self.gradient_last


HEADINGS = (
    f"QPU seconds, {PICTURES} pictures",
    "error of an observable",
    "gradient of a weight, first tenth",
    "gradient of a weight, last tenth",
)


def circuit_facts(
    runs: Sequence[RunDirectory], errors: Sequence[float], played: RunConfig | None = None
) -> CircuitFacts | None:
    """Facts of an arm, from its seeds' runs; None where it runs no circuit.

    Args:
        runs: Its trainings.
        errors: What `circuit_error` measured of each; none where it runs no circuit.
        played: Settings that they play under, where they are others than their own.

    Raises:
        DamagedFileError: If a run's metrics cannot be read.
    """
    config = runs[0].config
    if config.actor.kind != "ring":
        return None
    first, last = _gradients(runs) if config.gradient.rule != "frozen" else (None, None)
    return CircuitFacts(quoted_seconds(played or config), first, last, float(np.mean(errors)))


def quoted_seconds(config: RunConfig) -> float:
    """QPU seconds of `qhw run` on any device, without mitigation."""
    backend = {"name": ASSUMED_DEVICE, "mitigation": "none"}
    return plan_run(settings_on_backend(config, backend, {}), images=PICTURES).seconds


def _gradients(runs: Sequence[RunDirectory]) -> tuple[float, float]:
    """How large a weight's gradient is at the start and at the end; see `CircuitFacts`."""
    norms = [[line["circuit_gradient_norm"] for line in run.metrics()] for run in runs]
    tenth = max(1, min(map(len, norms)) // SHARE)
    weights = num_weights(runs[0].config.actor.circuit)

    def of_one(part: slice) -> float:
        return math.sqrt(float(np.mean(np.square([seed[part] for seed in norms]))) / weights)

    return of_one(slice(None, tenth)), of_one(slice(-tenth, None))
