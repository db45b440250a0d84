"""Gradients that are measured through noise and shots, each beside the ideal one.

The surrogate is PPO's at unchanged weights, with the path through mu: minibatches of visited
states, the trained head's d mu / d <Z_i>, and advantages drawn from a normal distribution and
normalised. The advantages are random, so the states do not pull together: a minibatch whose
advantages agree has a larger gradient and the same noise, and fares better than what is shown here.
Depths other than the trained one have random weights, uniform in [-pi, pi] like those training
starts from, and the same upstream gradient.

data/gradients/DEVICE-dDEPTH-SHOTS-KEY.npz, and DEVICE-trained-SHOTS-KEY.npz
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from policy.circuit import RingCircuit
from qhw.studies.measured.noisy_features import open_noisy
from qhw.studies.measured.visited_states import (
    VisitedStates,
    acquire_states,
    measured_key,
    read_states,
    subject_circuit,
)
from qhw.studies.names import identifier, shots_in_words, shots_label
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope

if TYPE_CHECKING:
    from policy import ExpectationBackend

FORMAT = 2
STUDY = "gradients"
FAST_QUBITS = 4
"""Above, a gradient takes seconds, and a third of the draws must do."""
MOST_QUBITS = 6
"""With 8, one minibatch's gradient takes a minute or two, and hundreds are needed."""
MINIBATCH = 16


@dataclass(frozen=True)
class Point:
    """Which weights are differentiated.

    Attributes:
        depth: Layers of the circuit.
        trained: The trained weights; else random ones.
    """

    depth: int
    trained: bool

    @property
    def name(self) -> str:
        """For people."""
        layers = f"depth {self.depth}"
        return f"trained weights, {layers}" if self.trained else f"random weights, {layers}"

    @property
    def stem(self) -> str:
        """For file names."""
        return "trained" if self.trained else f"d{self.depth}"


def acquire_gradients(scope: Scope) -> None:
    """Measure every depth and number of shots that is not there yet."""
    acquire_states(scope)
    visits = read_states(scope)
    for point in points_of(scope):
        for shots in scope.sizes.shots:
            what = f"gradients of {point.name}, {shots_in_words(shots)}"
            measure = partial(_measure, scope, point, shots, visits)
            scope.store(STUDY).acquire(_file(scope, point, shots), what, measure)


def read_gradients(scope: Scope, point: Point, shots: int | None) -> dict[str, FloatArray]:
    """Ideal gradients (S, D, P), and R measurements of each, (S, D, R, P).

    Raises:
        DataError: If they were not acquired yet.
    """
    return scope.store(STUDY).arrays(_file(scope, point, shots))


def points_of(scope: Scope) -> list[Point]:
    """The trained weights first, then random ones of every depth."""
    own = Point(subject_circuit(scope).depth, trained=True)
    return [own, *(Point(depth, trained=False) for depth in scope.sizes.gradient_depths)]


def draws_of(scope: Scope) -> int:
    """Draws of weights, states and advantages."""
    draws = scope.sizes.gradient_draws
    return draws if subject_circuit(scope).num_qubits <= FAST_QUBITS else draws // 3


def _measure(
    scope: Scope, point: Point, shots: int | None, visits: Sequence[VisitedStates]
) -> Arrays:
    """One depth with these shots: ideal gradients (S, D, P), measured ones (S, D, R, P)."""
    from qhw.backends.opening import open_backend
    from qhw.training.streams import stream_seed

    circuit = replace(subject_circuit(scope), depth=point.depth)
    seed = stream_seed(FORMAT, f"gradients/{point.stem}/{shots}")
    noisy = open_noisy(circuit, scope.device, shots, seed=seed)
    exact = open_backend("aer", circuit)
    repeats = 1 if shots is None else scope.sizes.gradient_repeats
    ideal, measured = [], []
    for seen in visits:
        questions = _questions(circuit, point, seen, draws_of(scope))
        ideal.append([shift_gradients(exact, question, 1)[0] for question in questions])
        measured.append([shift_gradients(noisy, question, repeats) for question in questions])
    return {"ideal": np.array(ideal), "measured": np.array(measured)}


@dataclass(frozen=True)
class GradientTask:
    """A gradient to measure: angles (B, A), weights (P,), upstream (B, n)."""

    angles: FloatArray
    weights: FloatArray
    upstream: FloatArray


def _questions(
    circuit: RingCircuit, point: Point, visits: VisitedStates, draws: int
) -> list[GradientTask]:
    """Minibatches and advantages, the same for all points, and weights; the same for all shots."""
    of_states = np.random.default_rng([FORMAT, 0])
    of_weights = np.random.default_rng([FORMAT, circuit.depth])
    count = min(MINIBATCH, len(visits.ideal))
    questions = []
    for _ in range(draws):
        rows = of_states.choice(len(visits.ideal), size=count, replace=False)
        advantages = of_states.standard_normal(count)
        advantages = (advantages - advantages.mean()) / advantages.std()
        random = of_weights.uniform(-np.pi, np.pi, circuit.num_weights)
        question = GradientTask(
            _angles(circuit, visits.angles[rows]),
            visits.weights if point.trained else random,
            advantages[:, None] * visits.sensitivity[rows] / count,
        )
        questions.append(question)
    return questions


def _angles(circuit: RingCircuit, angles: FloatArray) -> FloatArray:
    """The same inputs for another depth: `reupload` repeats them in every layer."""
    once = angles[:, : 2 * circuit.num_qubits]
    return np.tile(once, (1, circuit.num_angles // once.shape[1]))


def shift_gradients(
    backend: ExpectationBackend, question: GradientTask, repeats: int
) -> FloatArray:
    """Parameter-shift gradients (R, P); all repetitions in one evaluation."""
    from policy import ParameterShift

    sets, read = ParameterShift().ask(question.weights)
    values = backend.evaluate(np.tile(question.angles, (repeats, 1)), sets).values
    parts = np.split(values, repeats, axis=1)
    return np.array([read(part, question.upstream) for part in parts])


def _file(scope: Scope, point: Point, shots: int | None) -> str:
    key = measured_key(scope, FORMAT, draws_of(scope), scope.sizes.gradient_repeats)
    return f"{identifier(scope.device)}-{point.stem}-{shots_label(shots)}-{key}.npz"
