"""The features of visited states under noise, by device, mitigation and shots.

One file holds what was measured on one device with one number of shots, for all training seeds:

data/features/DEVICE-SHOTS-KEY.npz    METHOD/values, /mu, /sigma and /guidance
data/features/DEVICE-KEY.json         mitigations that do not fit the device, and why

Without mitigation, read-out inversion and affine calibration are made of the same shots; zero-noise
extrapolation runs two circuits, so each gets half of them. Every repetition has shots of its own
and, for the affine map, a calibration of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from calibration import ASSUMED, Assumptions
from policy.circuit import RingCircuit
from qhw.config import MethodName
from qhw.errors import MitigationError
from qhw.studies.measured.training_groups import subject
from qhw.studies.measured.visited_states import (
    Policy,
    VisitedStates,
    acquire_states,
    measured_key,
    read_states,
    subject_circuit,
)
from qhw.studies.names import identifier, mitigation_title, shots_in_words, shots_label
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope

if TYPE_CHECKING:
    from calibration import DeviceSnapshot
    from qhw.backends.backend import Backend
    from qhw.backends.mitigation.method import Mitigation
    from qhw.backends.transpilation import TranspiledCircuit

FORMAT = 2
"""Rises when the columns or the noise model change: older files are not taken for new ones."""
STUDY = "features"
COLUMNS = ("values", "mu", "sigma", "guidance")
METHODS: tuple[MethodName, ...] = ("none", "readout", "affine", "zne")
ZNE_CIRCUITS = 2


class Key(NamedTuple):
    """A condition; shots None are exact values."""

    device: str
    method: str
    shots: int | None

    @property
    def labels(self) -> tuple[str, str, str]:
        """The first cells of its row in a table: device, mitigation, shots."""
        return self.device, mitigation_title(self.method), shots_label(self.shots)


@dataclass(frozen=True)
class NoisyFeatures:
    """What was measured in one condition: S training seeds, R repetitions, N states.

    Attributes:
        values: (S, R, N, n) mitigated <Z_i>.
        mu: (S, R, N) mean action that the head makes of them.
        sigma: (S, R, N).
        guidance: (S, R, N) of the mean action, after clipping.
    """

    values: FloatArray
    mu: FloatArray
    sigma: FloatArray
    guidance: FloatArray


@dataclass(frozen=True)
class FeatureData:
    """Everything that was measured.

    Attributes:
        visits: One entry per training seed.
        conditions: In the order of devices, methods, shots.
        refused: (device, method) to the reason why it could not be had.
    """

    visits: Sequence[VisitedStates]
    conditions: Mapping[Key, NoisyFeatures]
    refused: Mapping[tuple[str, str], str]

    @property
    def ideal(self) -> FloatArray:
        """(S, 1, N, n) noiseless features."""
        return np.array([visits.ideal for visits in self.visits])[:, None]


def devices_of(scope: Scope) -> tuple[str, str]:
    """The report's device and another, with CZ gates wherever the report's is not that one."""
    first, second = scope.sizes.other_devices
    return scope.device, second if scope.device == first else first


@lru_cache(maxsize=4)
def snapshot_of(device: str) -> DeviceSnapshot:
    """A device's snapshot, read once."""
    from qhw.devices.snapshots import find_snapshot

    return find_snapshot(device)


def open_noisy(
    circuit: RingCircuit,
    device: str,
    shots: int | None,
    *,
    seed: int = 0,
    mitigation: MethodName = "none",
    assumptions: Assumptions = ASSUMED,
    transpiled: TranspiledCircuit | None = None,
) -> Backend:
    """Open the noise of a device.

    Raises:
        MitigationError: If the mitigation does not fit the device.
    """
    from qhw.backends.opening import open_backend

    return open_backend(
        "aer_noisy",
        circuit,
        shots=shots,
        seed=seed,
        mitigation=mitigation,
        assumptions=assumptions,
        snapshot=snapshot_of(device),
        transpiled=transpiled,
    )


def acquire_noisy(scope: Scope) -> None:
    """Measure every device and number of shots that is not there yet."""
    acquire_states(scope)
    store = scope.store(STUDY)
    policies: list[Policy] = []
    for device in devices_of(scope):
        files = {_file(scope, device, shots): shots for shots in scope.sizes.shots}
        if all(map(store.holds, files)):
            continue
        policies = policies or [Policy(run) for run in subject(scope.runs).runs]
        bench = _Bench(subject_circuit(scope), device, read_states(scope), policies)
        for file, shots in files.items():
            what = f"features on {device}, {shots_in_words(shots)}"
            store.acquire(file, what, partial(_measure, scope, bench, shots))


def _measure(scope: Scope, bench: _Bench, shots: int | None) -> Arrays:
    """Measure, and write down what was refused before the numbers count as measured."""
    arrays = bench.measure(shots, scope.sizes.repeats)
    scope.store(STUDY).keep_json(_refusals(scope, bench.device), bench.refused)
    return arrays


def read_noisy(scope: Scope) -> FeatureData:
    """Read what was measured.

    Raises:
        DataError: If something is missing.
    """
    store = scope.store(STUDY)
    conditions: dict[Key, NoisyFeatures] = {}
    refused: dict[tuple[str, str], str] = {}
    for device in devices_of(scope):
        reasons = store.json(_refusals(scope, device))
        refused |= {(device, method): reason for method, reason in reasons.items()}
        files = {n: store.arrays(_file(scope, device, n)) for n in scope.sizes.shots}
        for method in METHODS:
            for shots, arrays in files.items():
                if f"{method}/values" in arrays:
                    columns = {name: arrays[f"{method}/{name}"] for name in COLUMNS}
                    conditions[Key(device, method, shots)] = NoisyFeatures(**columns)
    return FeatureData(read_states(scope), conditions, refused)


@dataclass
class _Bench:
    """One device, ready to measure the states of all training seeds."""

    circuit: RingCircuit
    device: str
    visits: Sequence[VisitedStates]
    policies: Sequence[Policy]
    refused: dict[str, str] = field(default_factory=dict)
    _calibrated: list[Mitigation] = field(default_factory=list)

    def measure(self, shots: int | None, repeats: int) -> Arrays:
        """All methods with these shots per evaluation; exact values have one repetition."""
        count = 1 if shots is None else repeats
        parts = [self._plain(shots, count), self._extrapolated(shots, count)]
        arrays: dict[str, FloatArray] = {}
        for method, values in (item for part in parts for item in part.items()):
            arrays[f"{method}/values"] = values
            reactions = [p.react(v) for p, v in zip(self.policies, values, strict=True)]
            for name in COLUMNS[1:]:
                arrays[f"{method}/{name}"] = np.array([getattr(r, name) for r in reactions])
        return arrays

    def _plain(self, shots: int | None, count: int) -> dict[str, FloatArray]:
        """The methods that are made of one measurement, (S, R, N, n) each."""
        backend = open_noisy(self.circuit, self.device, shots, seed=self._seed(shots))
        raw = [_evaluate(backend, visits, count) for visits in self.visits]
        mitigated = {"none": np.array([values for values, _ in raw])}
        methods: tuple[MethodName, ...] = ("readout", "affine")
        for method in methods:
            ways = self._ways(method, shots, count)
            if ways:
                mitigated[method] = np.array([_mitigated(ways, *pair) for pair in raw])
        return mitigated

    def _extrapolated(self, shots: int | None, count: int) -> dict[str, FloatArray]:
        each = shots and shots // ZNE_CIRCUITS
        try:
            backend = open_noisy(
                self.circuit, self.device, each, seed=self._seed(shots), mitigation="zne"
            )
        except MitigationError as error:
            self.refused["zne"] = error.message
            return {}
        return {"zne": np.array([_evaluate(backend, each, count)[0] for each in self.visits])}

    def _ways(self, method: MethodName, shots: int | None, count: int) -> list[Mitigation]:
        """The method once for each repetition; nothing if it does not fit the device."""
        try:
            if method == "affine" and shots is not None:
                while len(self._calibrated) < count:
                    self._calibrated.append(self._method(method, shots, len(self._calibrated)))
                return self._calibrated
            return [self._method(method, shots, 0)] * count
        except MitigationError as error:
            self.refused[method] = error.message
            return []

    def _method(self, method: MethodName, shots: int | None, number: int) -> Mitigation:
        from qhw.backends.mitigation.simulated import MitigatedBackend

        opened = open_noisy(self.circuit, self.device, shots, seed=number, mitigation=method)
        assert isinstance(opened, MitigatedBackend)
        return opened.method

    def _seed(self, shots: int | None) -> int:
        from qhw.training.streams import stream_seed

        return stream_seed(FORMAT, f"features/{self.device}/{shots}")


def _evaluate(backend: Backend, visits: VisitedStates, count: int) -> tuple[FloatArray, FloatArray]:
    """Values and standard errors (R, N, n) of the visited states, measured R times."""
    estimate = backend.evaluate(np.tile(visits.angles, (count, 1)), visits.weights[None])
    shape = (count, *visits.ideal.shape)
    return estimate.values[0].reshape(shape), estimate.standard_errors[0].reshape(shape)


def _mitigated(ways: Sequence[Mitigation], values: FloatArray, errors: FloatArray) -> FloatArray:
    rows = zip(ways, values, errors, strict=True)
    return np.array([way.combine([(value, error)])[0] for way, value, error in rows])


def _file(scope: Scope, device: str, shots: int | None) -> str:
    return f"{identifier(device)}-{shots_label(shots)}-{_key(scope)}.npz"


def _refusals(scope: Scope, device: str) -> str:
    return f"{identifier(device)}-{_key(scope)}.json"


def _key(scope: Scope) -> str:
    """Identity of what was measured, beside the device and the shots."""
    return measured_key(scope, FORMAT, scope.sizes.repeats)
