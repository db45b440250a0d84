"""Section 6a: the parameter-shift gradient under noise and shots, against the ideal one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhw.studies.finding import Axis, Cell, Column, Estimate, Figure, Finding, Series, Table
from qhw.studies.measured.gradients import (
    MINIBATCH,
    MOST_QUBITS,
    SHOTS,
    Point,
    acquire_gradients,
    draws_of,
    points_of,
    read_gradients,
    repeats_of,
)
from qhw.studies.measured.noisy import identifier
from qhw.studies.measured.visited import subject_circuit
from qhw.studies.questions.by_shots import REFERENCE_SHOTS, shots_label
from qhw.studies.questions.features import BEST_CASE
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap, paired_difference
from qhw.studies.statistics.claims import claim
from qhw.studies.statistics.intervals import excludes, root, shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.study import Arrays, Scope

FloatArray = NDArray[np.float64]

GOOD_COSINE = 0.9
MATTERS = 0.05
"""A change of the cosine that would matter."""
NO_SIGNAL = (
    "The trained head does not react to the features at some minibatches, so the ideal gradient is "
    "exactly 0 there: it has no direction that noise could turn."
)


@dataclass(frozen=True)
class Quality:
    """How good gradients are: S training seeds, D draws.

    Attributes:
        cosine: (S, D) with the ideal gradient, mean over repetitions.
        signal: (S, D) squared norm of the ideal gradient.
        scatter: (S, D) variance of the measured one over repetitions, summed over the weights.
    """

    cosine: FloatArray
    signal: FloatArray
    scatter: FloatArray


class Gradients:
    """Cosine and signal-to-noise of the gradient by shots and depth."""

    name = "gradients"
    question = "Can the circuit's gradient be measured through noise and shots?"

    def acquire(self, scope: Scope) -> None:
        """Measure every depth and number of shots that is not there yet."""
        if subject_circuit(scope).num_qubits <= MOST_QUBITS:
            acquire_gradients(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Cosines and signal-to-noise ratios with their intervals."""
        qubits = subject_circuit(scope).num_qubits
        if qubits > MOST_QUBITS:
            return Finding(study=self.name, question=self.question, refusal=_too_large(qubits))
        points = points_of(scope)
        found = [
            [quality_of(read_gradients(scope, point, shots)) for shots in SHOTS] for point in points
        ]
        if not all(each.signal.all() for row in found for each in row):
            return Finding(study=self.name, question=self.question, refusal=NO_SIGNAL)
        cosine = hierarchical_bootstrap([[each.cosine for each in row] for row in found])
        ratio = hierarchical_bootstrap([[_log_ratio(each) for each in row[:-1]] for row in found])
        sentence = _sentence(scope.device, points, found, cosine)
        said = claim(sentence, cosine.seeds, "the gradients of such controllers")
        return Finding(
            study=self.name,
            question=self.question,
            answer=said.answer,
            refusal=said.refusal,
            observed=said.observed,
            figures=(
                _cosine_figure(scope.device, points, cosine),
                _ratio_figure(scope.device, points, ratio),
            ),
            tables=(_table(points, found, cosine, ratio),),
            notes=_notes(scope, cosine),
            provenance={
                **{name: fact for name, fact in cosine.facts.items() if "latents" not in name},
                "device": scope.device,
                "minibatch": MINIBATCH,
                "draws": draws_of(scope),
                "repetitions": repeats_of(scope),
            },
        )


def _too_large(qubits: int) -> str:
    return (
        f"The circuit has {qubits} qubits: simulating one gradient under noise takes a minute or "
        f"more, and hundreds are needed. Gradients are measured up to {MOST_QUBITS} qubits."
    )


def quality_of(arrays: Arrays) -> Quality:
    """Compare measured gradients (S, D, R, P) with ideal ones (S, D, P)."""
    measured, ideal = arrays["measured"], arrays["ideal"]
    lengths = np.linalg.norm(measured, axis=-1) * np.linalg.norm(ideal, axis=-1)[:, :, None]
    products = np.einsum("sdrp,sdp->sdr", measured, ideal)
    # A measured gradient of exactly 0 points nowhere: no better than chance.
    cosine = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    repeats = measured.shape[2]
    spread = measured.var(axis=2, ddof=1) if repeats > 1 else np.zeros_like(ideal)
    return Quality(cosine.mean(axis=2), np.square(ideal).sum(axis=-1), spread.sum(axis=-1))


def _log_ratio(quality: Quality) -> FloatArray:
    """log10 of the signal-to-noise ratio |g| / sd, (S, D)."""
    tiny = np.finfo(np.float64).tiny
    ratio: FloatArray = np.log10(quality.signal.clip(min=tiny) / quality.scatter.clip(min=tiny)) / 2
    return ratio


def _sentence(
    device: str, points: Sequence[Point], found: Sequence[Sequence[Quality]], cosine: Bootstrap
) -> str:
    middle, exact = SHOTS.index(REFERENCE_SHOTS), len(SHOTS) - 1
    own, other = (_cosine_at(cosine, 0, k) for k in (middle, exact))
    whose = "its trained weights" if cosine.seeds == 1 else f"{cosine.seeds} trained weight sets"
    return (
        f"At {REFERENCE_SHOTS} shots on {device} the cosine between the measured and the ideal "
        f"gradient is {shown(own, '{:.3f}')} at {whose}, and {shown(other, '{:.3f}')} "
        f"with exact values: {_verdict(cosine)}. {_by_depth(points, found)}"
    )


def _verdict(cosine: Bootstrap) -> str:
    """The least shots from which on the cosine's interval is above 0.9 at the trained weights."""
    short = np.flatnonzero(cosine.low[0] <= GOOD_COSINE)
    enough = int(short[-1]) + 1 if short.size else 0
    if enough == len(SHOTS):
        if float(cosine.high[0, -1]) < GOOD_COSINE:
            return f"device noise alone turns it below {GOOD_COSINE}, and no shots mend that"
        return f"a cosine above {GOOD_COSINE} could not be shown for any number of shots"
    first = SHOTS[enough]
    if first is None:
        return f"only with exact values the whole interval lies above {GOOD_COSINE}"
    return f"from {first} shots on the whole interval lies above {GOOD_COSINE}"


def _by_depth(points: Sequence[Point], found: Sequence[Sequence[Quality]]) -> str:
    """Whether depth harms the cosine at the reference shots, over random weights."""
    middle = SHOTS.index(REFERENCE_SHOTS)
    shallow, deep = points[1], points[-1]
    pair = (found[-1][middle].cosine, found[1][middle].cosine)
    change = paired_difference(*pair).estimate()
    depths = f"from depth {shallow.depth} to {deep.depth} at random weights"
    if excludes(change):
        direction = "falls" if change.value < 0 else "rises"
        return f"It {direction} {depths}: the change is {shown(change, '{:+.3f}')}."
    units = units_of(pair[0] - pair[1])
    unit = "draws" if units.name == "latents" else units.name
    return nothing_seen(depths, units.sd, MATTERS, units.have, unit)


def _cosine_figure(device: str, points: Sequence[Point], cosine: Bootstrap) -> Figure:
    ends = "; ".join(
        f"{point.name} {cosine.value[row, 0]:.2f} to {cosine.value[row, -1]:.2f}"
        for row, point in enumerate(points)
    )
    return Figure(
        id=f"gradient_cosine_{identifier(device)}",
        title=f"Direction of the measured gradient, {device}",
        kind="lines",
        x=Axis(label="shots per circuit", order=tuple(shots_label(shots) for shots in SHOTS)),
        y=Axis(label="cosine with the ideal gradient"),
        series=tuple(
            Series.of(
                point.name,
                [shots_label(shots) for shots in SHOTS],
                [_cosine_at(cosine, row, k) for k in range(len(SHOTS))],
            )
            for row, point in enumerate(points)
        ),
        reading=(
            "1 is the ideal direction, 0 is no information; what is lost even with exact values is "
            "the device's noise. Bars are 95 % intervals."
        ),
        alternative=f"Cosine on {device} from {SHOTS[0]} shots to exact values: {ends}.",
    )


def _ratio_figure(device: str, points: Sequence[Point], ratio: Bootstrap) -> Figure:
    shots = SHOTS[:-1]
    ends = "; ".join(
        f"{point.name} {10 ** ratio.value[row, 0]:.2g} to {10 ** ratio.value[row, -1]:.2g}"
        for row, point in enumerate(points)
    )
    return Figure(
        id=f"gradient_ratio_{identifier(device)}",
        title=f"Signal-to-noise ratio of the gradient, {device}",
        kind="lines",
        x=Axis(label="shots per circuit", order=tuple(shots_label(each) for each in shots)),
        y=Axis(label="|gradient| / standard deviation", log=True),
        series=tuple(
            Series.of(
                point.name,
                [shots_label(each) for each in shots],
                [_power_of_ten(ratio.estimate(row, k)) for k in range(len(shots))],
            )
            for row, point in enumerate(points)
        ),
        reading=(
            "Below 1 the gradient is mostly shot noise; each line doubles with four times the "
            "shots. Bars are 95 % intervals."
        ),
        alternative=f"Ratio on {device} from {shots[0]} to {shots[-1]} shots: {ends}.",
    )


def _cosine_at(cosine: Bootstrap, row: int, column: int) -> Estimate:
    """One cosine; its interval ends at 1, as cosines do."""
    found = cosine.estimate(row, column)
    return Estimate(value=found.value, low=found.low, high=min(found.high, 1.0))


def _shots_for_one(ratio: Estimate) -> Estimate:
    """Shots for a signal-to-noise ratio of 1, from log10 of that at the reference shots."""
    ends = (ratio.value, ratio.high, ratio.low)
    value, low, high = (REFERENCE_SHOTS / 10 ** (2 * end) for end in ends)
    return Estimate(value=value, low=low, high=high)


def _power_of_ten(estimate: Estimate) -> Estimate:
    return Estimate(value=10**estimate.value, low=10**estimate.low, high=10**estimate.high)


def _table(
    points: Sequence[Point],
    found: Sequence[Sequence[Quality]],
    cosine: Bootstrap,
    ratio: Bootstrap,
) -> Table:
    middle = SHOTS.index(REFERENCE_SHOTS)
    rows: list[tuple[Cell, ...]] = []
    for row, point in enumerate(points):
        signal = root(hierarchical_bootstrap(found[row][middle].signal).estimate())
        logarithm = ratio.estimate(row, middle)
        at, needed = _power_of_ten(logarithm), _shots_for_one(logarithm)
        cosines = (_cosine_at(cosine, row, k) for k in (middle, -1))
        rows.append((point.name, signal, *cosines, at, needed))
    return Table(
        id="gradients_by_depth",
        title="Gradients by weights and depth",
        columns=(
            Column(name="weights"),
            Column(name="ideal norm"),
            Column(name=f"cosine, {REFERENCE_SHOTS} shots", digits=3),
            Column(name="cosine, exact", digits=3),
            Column(name=f"signal-to-noise, {REFERENCE_SHOTS} shots", digits=2),
            Column(name="shots for signal = noise", digits=0),
        ),
        rows=tuple(rows),
        reading=(
            "The cosine with exact values is what device noise alone does to the direction; the "
            "signal-to-noise ratio is against shot noise, and the shots for a ratio of 1 are "
            "scaled from it."
        ),
    )


def _notes(scope: Scope, cosine: Bootstrap) -> tuple[str, ...]:
    whose = "of the trained head" if cosine.seeds == 1 else f"of {cosine.seeds} trained heads"
    over = (
        f"Intervals: 95 %, over {cosine.episodes} draws of minibatch, advantages and random "
        "weights; one training seed gives the states, the head and the trained weights, so they "
        "do not speak of other training runs."
        if cosine.seeds == 1
        else f"Intervals: 95 %, over {cosine.seeds} training seeds and {cosine.episodes} draws."
    )
    return (
        f"Minibatches of {MINIBATCH} visited states; upstream gradient d mu / d <Z_i> {whose} "
        "times normalised random advantages. A minibatch whose advantages agree fares better.",
        f"{draws_of(scope)} draws, {repeats_of(scope)} measurements of each gradient. Depths other "
        "than the trained one have random weights.",
        over,
        BEST_CASE,
    )
