"""The features' error by layout: how much it matters on which qubits of a device a circuit is.

data/layouts/DEVICE-KEY.npz   squares (L, S, N), gates (L,), scores (L,): layouts, the played first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from policy import Ansatz
from qhw.studies.finding import Estimate
from qhw.studies.measured.exact_features import ideal_values
from qhw.studies.measured.noisy_features import open_noisy, snapshot_of
from qhw.studies.measured.visited_states import (
    acquire_states,
    measured_key,
    read_states,
    subject_circuit,
)
from qhw.studies.names import identifier
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope

if TYPE_CHECKING:
    from qhw.backends.transpilation import TranspiledCircuit

STUDY = "layouts"
FORMAT = 1
"""Rises when the columns or the noise model change: older files are not taken for new ones."""

SEEDS = 4
"""Of the transpiler, of which the best counts, for each layout after the first."""


@dataclass(frozen=True)
class Layouts:
    """What the layouts of one device came to; the one that is played comes first.

    Attributes:
        rmse: (L,) of the features, over training seeds, states and outputs.
        gates: (L,) two-qubit gates.
        scores: (L,) expected error; see `calibration.expected_error`.
    """

    rmse: FloatArray
    gates: FloatArray
    scores: FloatArray

    @property
    def median(self) -> float:
        """Of the RMSE."""
        return float(np.median(self.rmse))

    @property
    def range(self) -> Estimate:
        """Median, least and largest RMSE."""
        return Estimate(value=self.median, low=float(self.rmse.min()), high=float(self.rmse.max()))


def acquire_layouts(scope: Scope, devices: Sequence[str]) -> None:
    """Evaluate the visited states on every layout that is not there yet."""
    acquire_states(scope)
    for device in devices:
        what = f"layouts on {device}"
        scope.store(STUDY).acquire(_file(scope, device), what, partial(_measure, scope, device))


def read_layouts(scope: Scope, device: str) -> Layouts:
    """What was measured.

    Raises:
        DataError: If it was not.
    """
    arrays = scope.store(STUDY).arrays(_file(scope, device))
    rmse = np.sqrt(arrays["squares"].mean(axis=(1, 2)))
    return Layouts(rmse, arrays["gates"], arrays["scores"])


def layouts_of(circuit: Ansatz, device: str, count: int) -> list[TranspiledCircuit]:
    """As many layouts at most, on other qubits each; the one that is played everywhere is first."""
    from qhw.backends.transpilation import TranspileOptions, layouts_apart
    from qhw.backends.transpile_cache import kept_layout
    from qhw.files import Cache

    snapshot = snapshot_of(device)
    played = kept_layout(circuit, snapshot, TranspileOptions(), Cache.of_user().transpiled)
    return layouts_apart(circuit, snapshot, played, count, TranspileOptions(seeds=SEEDS))


def _measure(scope: Scope, device: str) -> Arrays:
    circuit, visits = subject_circuit(scope), read_states(scope)
    layouts = layouts_of(circuit, device, scope.sizes.layouts)
    squares = []
    for layout in layouts:
        backend = open_noisy(circuit, device, None, transpiled=layout)
        values = [backend.evaluate(each.angles, each.weights[None]).values[0] for each in visits]
        squares.append(np.square(np.array(values) - ideal_values(scope)).mean(axis=2))
    return {
        "squares": np.array(squares),
        "gates": np.array([layout.two_qubit_gates for layout in layouts]),
        "scores": np.array([layout.score for layout in layouts]),
    }


def _file(scope: Scope, device: str) -> str:
    return f"{identifier(device)}-{measured_key(scope, FORMAT, scope.sizes.layouts)}.npz"
