"""Exact features of the visited states under a setting's noise, one file for each setting.

data/exact_features/DEVICE-KEY.npz   values (S, N, n): training seeds, states, outputs
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from qhw.studies.measured.conditions import Setting
from qhw.studies.measured.noisy_features import open_noisy
from qhw.studies.measured.visited_states import (
    acquire_states,
    measured_key,
    read_states,
    subject_circuit,
)
from qhw.studies.names import identifier
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope

STUDY = "exact_features"
FORMAT = 1
"""Rises when the columns or the noise model change: older files are not taken for new ones."""


def acquire_exact(scope: Scope, settings: Sequence[Setting]) -> None:
    """Evaluate what is not there yet; all settings have a device, and neither shots nor mitigation.

    Args:
        scope: What the report is about.
        settings: Their noise is taken.
    """
    acquire_states(scope)
    for setting in settings:

        def measure(setting: Setting = setting) -> Arrays:
            return {"values": _evaluate(scope, setting)}

        scope.store(STUDY).acquire(_file(scope, setting), f"features on {setting.name}", measure)


def exact_values(scope: Scope, setting: Setting) -> FloatArray:
    """Features (S, N, n) under a setting.

    Raises:
        DataError: If they were not acquired yet.
    """
    return scope.store(STUDY).arrays(_file(scope, setting))["values"]


def ideal_values(scope: Scope) -> FloatArray:
    """Features (S, N, n) of the same states without noise.

    Raises:
        DataError: If they were not acquired yet.
    """
    return np.array([visits.ideal for visits in read_states(scope)])


def squared_errors(scope: Scope, setting: Setting) -> FloatArray:
    """Mean over the outputs of (noisy - ideal)^2, (S, N)."""
    error = exact_values(scope, setting) - ideal_values(scope)
    squares: FloatArray = np.square(error).mean(axis=2)
    return squares


def _evaluate(scope: Scope, setting: Setting) -> FloatArray:
    circuit, assumed = subject_circuit(scope), setting.assumptions
    backend = open_noisy(circuit, setting.device, None, assumptions=assumed)
    values = [
        backend.evaluate(visits.angles, visits.weights[None]).values[0]
        for visits in read_states(scope)
    ]
    return np.array(values)


def _file(scope: Scope, setting: Setting) -> str:
    what = json.dumps([measured_key(scope, FORMAT), asdict(setting)], sort_keys=True)
    key = hashlib.sha256(what.encode()).hexdigest()[:16]
    return f"{identifier(setting.device)}-{key}.npz"
