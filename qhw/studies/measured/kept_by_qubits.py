"""How much of a gradient a device leaves, by the circuit's qubits; without shots.

Random weights, inputs and upstream gradients: wider circuits than the trained one visit no states.

data/gradients/DEVICE-kept-nQUBITS-dDEPTH-KEY.npz   ideal and noisy (D, P)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from policy.circuit import RingCircuit
from qhw.studies.measured.noisy_features import open_noisy
from qhw.studies.measured.noisy_gradients import STUDY, GradientTask, shift_gradients
from qhw.studies.measured.visited_states import subject_circuit
from qhw.studies.names import identifier
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope

FORMAT = 1
"""Rises when the draws or the noise model change: older files are not taken for new ones."""
SEED = 6_174


@dataclass(frozen=True)
class KeptByQubits:
    """What is left of the gradient's norm.

    Attributes:
        qubits: K numbers of qubits.
        log_kept: (K, D) natural logarithm of the noisy gradient's norm over the ideal one's.
    """

    qubits: Sequence[int]
    log_kept: FloatArray


def acquire_kept(scope: Scope) -> None:
    """Draw every number of qubits that is not there yet."""
    for qubits in scope.sizes.gradient_qubits:
        what = f"what is left of gradients of {qubits} qubits"
        measure = partial(_measure, scope, _circuit(scope, qubits))
        scope.store(STUDY).acquire(_file(scope, qubits), what, measure)


def read_kept(scope: Scope) -> KeptByQubits:
    """What was drawn.

    Raises:
        DataError: If something was not.
    """
    rows = []
    for qubits in scope.sizes.gradient_qubits:
        arrays = scope.store(STUDY).arrays(_file(scope, qubits))
        norms = [np.linalg.norm(arrays[name], axis=1) for name in ("noisy", "ideal")]
        rows.append(np.log(norms[0] / norms[1]))
    return KeptByQubits(scope.sizes.gradient_qubits, np.array(rows))


def _circuit(scope: Scope, qubits: int) -> RingCircuit:
    return replace(subject_circuit(scope), num_qubits=qubits)


def _measure(scope: Scope, circuit: RingCircuit) -> Arrays:
    from qhw.backends.opening import open_backend

    rng = np.random.default_rng([SEED, circuit.num_qubits, circuit.depth])
    tasks = [
        GradientTask(
            rng.uniform(-np.pi, np.pi, (1, circuit.num_angles)),
            rng.uniform(-np.pi, np.pi, circuit.num_weights),
            rng.standard_normal((1, circuit.num_qubits)),
        )
        for _ in range(scope.sizes.gradient_draws)
    ]
    backends = {
        "ideal": open_backend("aer", circuit),
        "noisy": open_noisy(circuit, scope.device, None),
    }
    return {
        name: np.array([shift_gradients(backend, task, 1)[0] for task in tasks])
        for name, backend in backends.items()
    }


def _file(scope: Scope, qubits: int) -> str:
    circuit = _circuit(scope, qubits)
    what = json.dumps([FORMAT, circuit.digest, scope.sizes.gradient_draws])
    key = hashlib.sha256(what.encode()).hexdigest()[:12]
    return f"{identifier(scope.device)}-kept-n{qubits}-d{circuit.depth}-{key}.npz"
