"""The parameter-shift gradient under noise and shots, against the ideal one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qhw.studies.finding import Axis, Cell, Estimate, Figure, Finding, Series, Table
from qhw.studies.measured.kept_by_qubits import KeptByQubits, acquire_kept, read_kept
from qhw.studies.measured.noisy_gradients import (
    MINIBATCH,
    MOST_QUBITS,
    Point,
    acquire_gradients,
    draws_of,
    points_of,
    read_gradients,
)
from qhw.studies.measured.visited_states import subject_circuit
from qhw.studies.names import identifier, shots_label
from qhw.studies.questions.error_by_shots import REFERENCE_SHOTS
from qhw.studies.questions.features import BEST_CASE
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.intervals import excludes, root, shown, transformed
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope, Study

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
        ideal: (S, D) squared norm of the ideal gradient.
        signal: (S, D) squared norm of the one that the device measures without shot noise: what its
            noise leaves of the ideal one is all that shots can find.
        scatter: (S, D) variance of the measured one over repetitions, summed over the weights.
    """

    cosine: FloatArray
    ideal: FloatArray
    signal: FloatArray
    scatter: FloatArray

    @property
    def log_ratio(self) -> FloatArray:
        """log10 of the signal-to-noise ratio |g| / sd, (S, D)."""
        tiny = np.finfo(np.float64).tiny
        square = self.signal.clip(min=tiny) / self.scatter.clip(min=tiny)
        ratio: FloatArray = np.log10(square) / 2
        return ratio

    @property
    def log_kept(self) -> FloatArray:
        """Natural logarithm of the measured gradient's norm over the ideal one's, (S, D)."""
        tiny = np.finfo(np.float64).tiny
        kept: FloatArray = np.log(self.signal.clip(min=tiny) / self.ideal.clip(min=tiny)) / 2
        return kept


@dataclass(frozen=True)
class Qualities:
    """Gradients of K kinds of weights with M numbers of shots, the last of them exact values.

    Attributes:
        points: Kinds of weights, the trained ones first.
        shots: Per circuit.
        table: A row per kind, a column per number of shots.
        cosine: (K, M).
        ratio: (K, M - 1) log10 of the signal-to-noise ratio, which exact values do not have.
        kept: (K, 1) logarithm of the norm over the ideal one's, which shots do not change.
    """

    points: Sequence[Point]
    shots: Sequence[int | None]
    table: Sequence[Sequence[Quality]]
    cosine: Bootstrap
    ratio: Bootstrap
    kept: Bootstrap

    @classmethod
    def of(
        cls,
        points: Sequence[Point],
        shots: Sequence[int | None],
        table: Sequence[Sequence[Quality]],
    ) -> Qualities:
        """Bootstrap all cells together."""
        cosine = hierarchical_bootstrap([[cell.cosine for cell in row] for row in table])
        ratio = hierarchical_bootstrap([[cell.log_ratio for cell in row[:-1]] for row in table])
        kept = hierarchical_bootstrap([[row[-1].log_kept] for row in table])
        return cls(points, shots, table, cosine, ratio, kept)

    @property
    def middle(self) -> int:
        """Column of the reference shots."""
        return self.shots.index(REFERENCE_SHOTS)

    def cosine_at(self, row: int, column: int) -> Estimate:
        """One cosine; its interval ends at 1, as cosines do."""
        cosine = self.cosine.estimate(row, column)
        return cosine.model_copy(update={"high": min(cosine.high, 1.0)})

    def ratio_at(self, row: int, column: int) -> Estimate:
        """One signal-to-noise ratio."""
        return transformed(self.ratio.estimate(row, column), lambda k: 10**k, -math.inf)

    def kept_at(self, row: int) -> Estimate:
        """Norm of the gradient that the device measures over that of the ideal one."""
        return transformed(self.kept.estimate(row, 0), math.exp, -math.inf)

    @property
    def random(self) -> list[int]:
        """Rows of random weights, by depth."""
        return [k for k, point in enumerate(self.points) if not point.trained]

    @cached_property
    def kept_per_layer(self) -> Estimate:
        """What a layer leaves of the norm, q of q^L, at random weights; fitted to logarithms."""
        depths = np.array([self.points[k].depth for k in self.random], dtype=np.float64)
        weights = (depths - depths.mean()) / np.square(depths - depths.mean()).sum()
        rows = zip(weights, self.random, strict=True)
        slopes = sum(weight * self.table[k][-1].log_kept for weight, k in rows)
        return transformed(hierarchical_bootstrap(slopes).estimate(), math.exp, -math.inf)


class Gradients(Study):
    """Cosine and signal-to-noise of the gradient by shots and depth."""

    name = "gradients"
    question = "Can the circuit's gradient be measured through noise and shots?"
    about = "the gradients of such controllers"

    def acquire(self, scope: Scope) -> None:
        """Measure every depth and number of shots that is not there yet."""
        if subject_circuit(scope).num_qubits <= MOST_QUBITS:
            acquire_gradients(scope)
            acquire_kept(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Cosines and signal-to-noise ratios with their intervals."""
        qubits, shots = subject_circuit(scope).num_qubits, scope.sizes.shots
        if qubits > MOST_QUBITS:
            return self.refused(
                f"The circuit has {qubits} qubits: simulating one gradient under noise takes a "
                "minute or more, and hundreds are needed. Gradients are measured up to "
                f"{MOST_QUBITS} qubits."
            )
        points = points_of(scope)
        table = [_row(scope, point) for point in points]
        if not all(cell.ideal.all() for row in table for cell in row):
            return self.refused(NO_SIGNAL)
        qualities = Qualities.of(points, shots, table)
        cosine, kept = qualities.cosine, read_kept(scope)
        per_qubit = kept_per_qubit(kept)
        return self.finding(
            f"{_sentence(scope.device, qualities)} With every qubit it leaves "
            f"{shown(per_qubit, '{:.3f}')} times as much.",
            cosine.seeds,
            figures=(
                _cosine_figure(scope.device, qualities),
                _ratio_figure(scope.device, qualities),
                _kept_figure(scope.device, qualities),
                _kept_by_qubits_figure(scope.device, kept, per_qubit),
            ),
            tables=(_table(qualities), _kept_table(kept)),
            notes=(
                *_notes(scope, cosine),
                "By qubits: random weights, inputs and upstream gradients, and the best layout of "
                "each circuit; a ring that has to be routed takes more gates than qubits alone "
                "say.",
            ),
            provenance={
                **{name: fact for name, fact in cosine.facts.items() if "latents" not in name},
                "device": scope.device,
                "minibatch": MINIBATCH,
                "draws": draws_of(scope),
                "repetitions": scope.sizes.gradient_repeats,
            },
        )


def _row(scope: Scope, point: Point) -> list[Quality]:
    """One kind of weights with every number of shots; the last is exact values."""
    of_shots = [read_gradients(scope, point, shots) for shots in scope.sizes.shots]
    exact = of_shots[-1]["measured"].mean(axis=2)
    return [quality_of(arrays, exact) for arrays in of_shots]


def quality_of(arrays: Arrays, exact: FloatArray) -> Quality:
    """Compare measured gradients (S, D, R, P) with ideal ones (S, D, P).

    Args:
        arrays: Both.
        exact: (S, D, P) measured on the same device without shot noise.
    """
    measured, ideal = arrays["measured"], arrays["ideal"]
    lengths = np.linalg.norm(measured, axis=-1) * np.linalg.norm(ideal, axis=-1)[:, :, None]
    products = np.einsum("sdrp,sdp->sdr", measured, ideal)
    # A measured gradient of exactly 0 points nowhere: no better than chance.
    cosine = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    repeats = measured.shape[2]
    spread = measured.var(axis=2, ddof=1) if repeats > 1 else np.zeros_like(ideal)
    of_ideal, of_exact = (np.square(each).sum(axis=-1) for each in (ideal, exact))
    return Quality(cosine.mean(axis=2), of_ideal, of_exact, spread.sum(axis=-1))


def _sentence(device: str, qualities: Qualities) -> str:
    seeds = qualities.cosine.seeds
    sampled, exact = (qualities.cosine_at(0, k) for k in (qualities.middle, -1))
    whose = "its trained weights" if seeds == 1 else f"{seeds} trained weight sets"
    kept, layer = qualities.kept_at(0), qualities.kept_per_layer
    return (
        f"At {REFERENCE_SHOTS} shots on {device} the cosine between the measured and the ideal "
        f"gradient is {shown(sampled, '{:.3f}')} at {whose}, and {shown(exact, '{:.3f}')} "
        f"with exact values: {_verdict(qualities)}. {_by_depth(qualities)} Of its length the "
        f"device leaves {shown(kept, '{:.2f}')}, and at random weights "
        f"{shown(layer, '{:.3f}')} times as much with every further layer."
    )


def _verdict(qualities: Qualities) -> str:
    """The least shots from which on the cosine's interval is above 0.9 at the trained weights."""
    cosine = qualities.cosine
    short = np.flatnonzero(cosine.low[0] <= GOOD_COSINE)
    enough = int(short[-1]) + 1 if short.size else 0
    if enough == len(qualities.shots):
        if float(cosine.high[0, -1]) < GOOD_COSINE:
            return f"device noise alone turns it below {GOOD_COSINE}, and no shots mend that"
        return f"a cosine above {GOOD_COSINE} could not be shown for any number of shots"
    first = qualities.shots[enough]
    if first is None:
        return f"only with exact values the whole interval lies above {GOOD_COSINE}"
    return f"from {first} shots on the whole interval lies above {GOOD_COSINE}"


def _by_depth(qualities: Qualities) -> str:
    """Whether depth harms the cosine at the reference shots, over random weights."""
    shallow, deep = (qualities.points[k].depth for k in (1, -1))
    changes = (
        qualities.table[-1][qualities.middle].cosine - qualities.table[1][qualities.middle].cosine
    )
    change = hierarchical_bootstrap(changes).estimate()
    depths = f"from depth {shallow} to {deep} at random weights"
    if excludes(change):
        direction = "falls" if change.value < 0 else "rises"
        return f"It {direction} {depths}: the change is {shown(change, '{:+.3f}')}."
    units = units_of(changes)
    if units.name == "latents":
        units = units._replace(name="draws")
    return nothing_seen(depths, units, MATTERS, found=change)


def _cosine_figure(device: str, qualities: Qualities) -> Figure:
    series = _series(qualities, qualities.shots, qualities.cosine_at)
    ends = "; ".join(f"{line.name} {line.y[0]:.2f} to {line.y[-1]:.2f}" for line in series)
    return Figure(
        id=f"gradient_cosine_{identifier(device)}",
        title=f"Direction of the measured gradient, {device}",
        kind="lines",
        x=Axis(label="shots per circuit", order=tuple(map(shots_label, qualities.shots))),
        y=Axis(label="cosine with the ideal gradient"),
        series=series,
        reading=(
            "1 is the ideal direction, 0 is no information; what is lost even with exact values is "
            "the device's noise. Bars are 95 % intervals."
        ),
        alternative=f"Cosine on {device} from {qualities.shots[0]} shots to exact values: {ends}.",
    )


def _ratio_figure(device: str, qualities: Qualities) -> Figure:
    shots = qualities.shots[:-1]
    series = _series(qualities, shots, qualities.ratio_at)
    ends = "; ".join(f"{line.name} {line.y[0]:.2g} to {line.y[-1]:.2g}" for line in series)
    return Figure(
        id=f"gradient_ratio_{identifier(device)}",
        title=f"Signal-to-noise ratio of the gradient, {device}",
        kind="lines",
        x=Axis(label="shots per circuit", order=tuple(map(shots_label, shots))),
        y=Axis(label="|gradient| / standard deviation", log=True),
        series=series,
        reading=(
            "The gradient is the one that the device measures without shot noise. Below 1 it is "
            "mostly shot noise; each line doubles with four times the shots. Bars are 95 % "
            "intervals."
        ),
        alternative=f"Ratio on {device} from {shots[0]} to {shots[-1]} shots: {ends}.",
    )


def _kept_figure(device: str, qualities: Qualities) -> Figure:
    depths = [qualities.points[k].depth for k in qualities.random]
    kept = Series.of("random weights", depths, [qualities.kept_at(k) for k in qualities.random])
    return Figure(
        id=f"gradient_kept_{identifier(device)}",
        title=f"What the device leaves of the gradient, {device}",
        kind="lines",
        x=Axis(label="depth", unit="layers"),
        y=Axis(label="norm, measured / ideal", log=True),
        series=(kept,),
        reading=(
            f"Without shot noise. A straight line is q^L, {qualities.kept_per_layer.value:.3f} "
            "per layer: what noise-induced plateaus look like (Wang et al., arXiv 2007.14384). "
            "Bars are 95 % intervals."
        ),
        alternative=f"Norm on {device}, depth {depths[0]} to {depths[-1]}: {kept.y[0]:.2f} to "
        f"{kept.y[-1]:.2f} of the ideal one.",
    )


def kept_per_qubit(kept: KeptByQubits) -> Estimate:
    """What a further qubit leaves of the norm, q of q^n; fitted to logarithms."""
    away = np.array(kept.qubits) - np.mean(kept.qubits)
    slopes = (away / (away @ away)) @ kept.log_kept
    return transformed(hierarchical_bootstrap(slopes[None]).estimate(), math.exp, -math.inf)


def _kept_at(kept: KeptByQubits) -> list[Estimate]:
    found = hierarchical_bootstrap(kept.log_kept[:, None])
    return [transformed(each, math.exp, -math.inf) for each in found.estimates()]


def _kept_by_qubits_figure(device: str, kept: KeptByQubits, per_qubit: Estimate) -> Figure:
    qubits = list(map(float, kept.qubits))
    series = Series.of("random weights", qubits, _kept_at(kept))
    return Figure(
        id=f"gradient_kept_by_qubits_{identifier(device)}",
        title=f"What the device leaves of the gradient by qubits, {device}",
        kind="lines",
        x=Axis(label="qubits"),
        y=Axis(label="norm, measured / ideal", log=True),
        series=(series,),
        reading=(
            f"Without shot noise. A straight line is q^n, {per_qubit.value:.3f} per qubit; it "
            "comes on top of the fall of the ideal gradient. Bars are 95 % intervals."
        ),
        alternative=f"Norm on {device}, {kept.qubits[0]} to {kept.qubits[-1]} qubits: "
        f"{series.y[0]:.2f} to {series.y[-1]:.2f} of the ideal one.",
    )


def _kept_table(kept: KeptByQubits) -> Table:
    return Table.of_columns(
        "gradients_by_qubits",
        "What is left of the gradient's norm by qubits",
        {
            ("qubits", 0): list(map(float, kept.qubits)),
            ("norm, measured / ideal", 3): _kept_at(kept),
        },
        "Geometric means over random weights and inputs, without shots; intervals are 95 %.",
    )


def _series(
    qualities: Qualities, shots: Sequence[int | None], at: Callable[[int, int], Estimate]
) -> tuple[Series, ...]:
    """A line per kind of weights, by shots."""
    labels = list(map(shots_label, shots))
    return tuple(
        Series.of(point.name, labels, [at(row, k) for k in range(len(labels))])
        for row, point in enumerate(qualities.points)
    )


def _shots_for_one(ratio: Estimate) -> Estimate:
    """Shots for a signal-to-noise ratio of 1, from log10 of that at the reference shots."""
    ends = (ratio.value, ratio.high, ratio.low)
    value, low, high = (REFERENCE_SHOTS / 10 ** (2 * end) for end in ends)
    return Estimate(value=value, low=low, high=high)


def _table(qualities: Qualities) -> Table:
    middle = qualities.middle
    rows: list[tuple[Cell, ...]] = []
    for row, point in enumerate(qualities.points):
        ideal = root(hierarchical_bootstrap(qualities.table[row][middle].ideal).estimate())
        cosines = (qualities.cosine_at(row, k) for k in (middle, -1))
        needed = _shots_for_one(qualities.ratio.estimate(row, middle))
        ratio = qualities.ratio_at(row, middle)
        rows.append((point.name, ideal, qualities.kept_at(row), *cosines, ratio, needed))
    return Table.of(
        "gradients_by_depth",
        "Gradients by weights and depth",
        [
            "weights",
            "ideal norm",
            ("norm, measured / ideal", 3),
            (f"cosine, {REFERENCE_SHOTS} shots", 3),
            ("cosine, exact", 3),
            (f"signal-to-noise, {REFERENCE_SHOTS} shots", 2),
            ("shots for signal = noise", 0),
        ],
        rows,
        (
            "The cosine with exact values is what device noise alone does to the direction, the "
            "norm what it does to the length; the signal-to-noise ratio is what is left of the "
            "gradient against shot noise, and the shots for a ratio of 1 are scaled from it."
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
        f"{draws_of(scope)} draws, {scope.sizes.gradient_repeats} measurements of each gradient. "
        "Depths other than the trained one have random weights.",
        over,
        BEST_CASE,
    )
