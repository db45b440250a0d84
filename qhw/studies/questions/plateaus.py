"""How the gradient's variance falls with depth and qubits (barren plateaus).

McClean et al. (arXiv 1803.11173): over random weights the gradient of a sufficiently deep circuit
has mean 0 and a variance that falls exponentially with the qubits. Here it is that of <Z_0> by the
RY weight of qubit 0 in the first layer, at the mean state, without noise; of every output by every
weight, in `plateau_outputs`. The encoding is `linear`,
so that every number of qubits is allowed.

data/plateaus/nQUBITS-dDEPTH-ENTANGLEMENT-DRAWS.npz
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from policy.circuit import RingCircuit
from qhw.studies.finding import Axis, Estimate, Figure, Finding, Series, Table
from qhw.studies.questions.plateau_outputs import (
    Outputs,
    acquire_outputs,
    outputs_figure,
    outputs_in_words,
    outputs_note,
    outputs_table,
)
from qhw.studies.statistics.bootstrap import TAIL, Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.intervals import of_positive, shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope, Study

WEIGHT = 1
"""Position of qubit 0's RY in the first layer; see `RingCircuit.quantum_circuit`."""
AT_ONCE = 200
SEED = 1_803
MATTERS = 0.5
"""A change of the variance by this share of the deepest circuit's would matter."""
NO_GRADIENT = (
    "At some size hardly any weight set has a gradient that is not 0, so there is no variance to "
    "compare."
)


@dataclass(frozen=True)
class Size:
    """A circuit's size."""

    qubits: int
    depth: int


class Plateaus(Study):
    """Variance of a gradient against depth and qubits."""

    name = "plateaus"
    question = "Does the gradient vanish as the circuit grows?"

    def acquire(self, scope: Scope) -> None:
        """Draw gradients for every size that is not there yet."""
        for size in sizes(scope):
            what = f"gradients of {size.qubits} qubits, depth {size.depth}"
            draw = partial(_draw, _circuit(scope, size), scope.sizes.plateau_draws)
            scope.store(self.name).acquire(_file(scope, size), what, draw)
        acquire_outputs(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Variances with their intervals, and the slope per qubit."""
        store, draws = scope.store(self.name), scope.sizes.plateau_draws
        gradients = {size: store.arrays(_file(scope, size))["gradient"] for size in sizes(scope)}
        variances = Variances.of(gradients)
        if not (variances.bootstrap.replicates > 0).all():
            return self.refused(NO_GRADIENT)
        outputs = Outputs(scope)
        qubits, depths = scope.sizes.plateau_qubits, scope.sizes.plateau_depths
        by_depth = [Size(scope.sizes.plateau_width, depth) for depth in depths]
        slopes = {depth: variances.slope(qubits, depth) for depth in scope.sizes.plateau_layers}
        return self.finding(
            f"{' '.join(map(_slope_in_words, slopes, slopes.values()))} "
            f"{_depth_in_words(variances, by_depth)} {outputs_in_words(outputs)}",
            figures=(
                _figure_by_qubits(variances, qubits, slopes),
                _figure_by_depth(variances, by_depth),
                outputs_figure(outputs),
            ),
            tables=(_slope_table(slopes), _table(variances), outputs_table(outputs)),
            notes=(
                outputs_note(outputs),
                f"{draws} random weight sets of every size, uniform in [-pi, pi]; one "
                "input, the mean state; no training seed is involved. Intervals: 95 %, over the "
                "weight sets.",
                f"Entanglement `{scope.runs[0].config.actor.circuit.entanglement}`, encoding "
                "`linear`, no noise and no shots (Aer's state vectors): noise makes gradients "
                "smaller still, and shots set a floor below which none is seen.",
                "Trained weights are not random ones: a plateau says how hard it is to start, not "
                "where training ends.",
            ),
            provenance={
                "bootstrap seed": variances.bootstrap.seed,
                "bootstrap resamples": len(variances.bootstrap.replicates),
                "weight sets": draws,
                "seed of the weights": SEED,
            },
        )


@dataclass(frozen=True)
class Variances:
    """Variances of the gradient of K circuits over the same number of random weight sets.

    Attributes:
        sizes: K of them.
        squares: (K, 1, D) squared gradients.
        bootstrap: (K,) their means.
    """

    sizes: Sequence[Size]
    squares: FloatArray
    bootstrap: Bootstrap

    @classmethod
    def of(cls, gradients: Mapping[Size, FloatArray]) -> Variances:
        """Bootstrap the gradients (D,) of every size."""
        squares = np.square(np.array(list(gradients.values())))[:, None]
        return cls(list(gradients), squares, hierarchical_bootstrap(squares))

    def rows(self, sizes: Iterable[Size]) -> list[int]:
        """Places of these sizes."""
        return [self.sizes.index(size) for size in sizes]

    def estimate(self, size: Size) -> Estimate:
        """One size's variance."""
        return of_positive(self.bootstrap.estimate(*self.rows([size])))

    def slope(self, qubits: Sequence[int], depth: int) -> Estimate:
        """Least-squares slope of log2 variance per qubit at one depth."""
        rows = self.rows(Size(n, depth) for n in qubits)
        away = np.array(qubits) - np.mean(qubits)
        weights = away / (away @ away)
        slopes = np.log2(self.bootstrap.replicates[:, rows]) @ weights
        value = float(np.log2(self.bootstrap.value[rows]) @ weights)
        low, high = map(float, np.quantile(slopes, [TAIL, 1 - TAIL]))
        return Estimate(value=value, low=low, high=high)


def sizes(scope: Scope) -> list[Size]:
    """Every size once: against qubits at two depths, and against depth at four qubits."""
    chosen = scope.sizes
    against_qubits = [
        Size(n, layers) for layers in chosen.plateau_layers for n in chosen.plateau_qubits
    ]
    against_depth = [Size(chosen.plateau_width, depth) for depth in chosen.plateau_depths]
    return list(dict.fromkeys([*against_qubits, *against_depth]))


def _circuit(scope: Scope, size: Size) -> RingCircuit:
    entanglement = scope.runs[0].config.actor.circuit.entanglement
    return RingCircuit(size.qubits, size.depth, "linear", entanglement)


def _draw(circuit: RingCircuit, draws: int) -> Arrays:
    """Gradients (D,) of <Z_0> by one weight, over random weights, by parameter shift."""
    from policy.gradients import SHIFT
    from qhw.backends.opening import open_backend

    # One input under many weight sets is what state vectors are fastest at, at every size.
    backend = open_backend("aer", circuit, engine="aer")
    rng = np.random.default_rng([SEED, circuit.num_qubits, circuit.depth])
    weights = rng.uniform(-np.pi, np.pi, (draws, circuit.num_weights))
    move = SHIFT * (np.arange(circuit.num_weights) == WEIGHT)
    angles = np.repeat([np.pi / 2, 0.0], circuit.num_qubits)[None]
    parts = []
    for first in range(0, draws, AT_ONCE):
        part = weights[first : first + AT_ONCE]
        values = backend.evaluate(angles, np.concatenate([part + move, part - move])).values
        plus, minus = np.split(values[:, 0, 0], 2)
        parts.append((plus - minus) / 2)
    return {"gradient": np.concatenate(parts)}


def _file(scope: Scope, size: Size) -> str:
    entanglement = _circuit(scope, size).entanglement
    return f"n{size.qubits}-d{size.depth}-{entanglement}-{scope.sizes.plateau_draws}.npz"


def _slope_in_words(depth: int, estimate: Estimate) -> str:
    factor = 2.0**-estimate.value
    shape = f"log2 slope {shown(estimate, '{:+.2f}')} per qubit"
    if estimate.high < 0:
        return (
            f"At depth {depth} every qubit divides the gradient's variance by {factor:.2f} "
            f"({shape})."
        )
    if estimate.low > 0:
        return f"At depth {depth} the gradient's variance does not fall but rises ({shape})."
    return f"At depth {depth} no change with the qubits is seen ({shape})."


def _depth_in_words(variances: Variances, sizes: Sequence[Size]) -> str:
    """The last depth at which the variance still differs from the deepest one's."""
    rows = variances.squares[variances.rows(sizes)]
    differences = hierarchical_bootstrap(rows[:-1] - rows[-1])
    apart = np.flatnonzero(holm(differences.p_value) < ALPHA)
    circuits = f"circuits of {sizes[0].qubits} qubits"
    if not apart.size:
        # The depth whose variance is the least well known.
        widest = np.argmax(np.ptp(differences.replicates, axis=0))
        units = units_of((rows[widest] - rows[-1]) / rows[-1].mean())
        depths = f"depths {sizes[0].depth} to {sizes[-1].depth}"
        what = f"between the variances of {circuits} and {depths}"
        sets, alpha = units._replace(name="weight sets"), ALPHA / len(rows[:-1])
        return nothing_seen(what, sets, MATTERS, alpha=alpha, form="{:.0%}")
    last = int(apart[-1])
    ratio = float(rows[-1].mean() / rows[last].mean())
    change = f"{'rises' if ratio > 1 else 'falls'} by a factor of {max(ratio, 1 / ratio):.1f}"
    depths = f"from depth {sizes[last].depth} to {sizes[-1].depth}"
    sentence = f"In {circuits} the variance {change} {depths}"
    if last == len(sizes) - 2:
        return f"{sentence}, and still changes there."
    return f"{sentence}; from depth {sizes[last + 1].depth} on no further change is seen."


def _figure_by_qubits(
    variances: Variances, qubits: Sequence[int], slopes: Mapping[int, Estimate]
) -> Figure:
    ends = "; ".join(
        f"depth {depth}: log2 slope {shown(estimate, '{:+.2f}')} per qubit"
        for depth, estimate in slopes.items()
    )
    return Figure(
        id="variance_by_qubits",
        title="Variance of a gradient by qubits",
        kind="lines",
        x=Axis(label="qubits"),
        y=Axis(label="variance of d<Z_0>/d weight", log=True),
        series=tuple(
            Series.of(
                f"depth {depth}",
                list(map(float, qubits)),
                [variances.estimate(Size(n, depth)) for n in qubits],
            )
            for depth in slopes
        ),
        reading=(
            "The scale is logarithmic: a straight fall is exponential decay, a barren plateau; a "
            "level line is none. Bands are 95 % intervals."
        ),
        alternative=f"Variance against {qubits[0]} to {qubits[-1]} qubits. {ends}.",
    )


def _figure_by_depth(variances: Variances, sizes: Sequence[Size]) -> Figure:
    points = [variances.estimate(size) for size in sizes]
    name = f"{sizes[0].qubits} qubits"
    return Figure(
        id="variance_by_depth",
        title=f"Variance of a gradient by depth, {name}",
        kind="lines",
        x=Axis(label="depth", unit="layers"),
        y=Axis(label="variance of d<Z_0>/d weight", log=True),
        series=(Series.of(name, [float(size.depth) for size in sizes], points),),
        reading=(
            "Where the line levels off, more layers make the start of training no harder. The band "
            "is the 95 % interval."
        ),
        alternative=(
            f"Variance from depth {sizes[0].depth}, {points[0].value:.3g}, to {sizes[-1].depth}, "
            f"{points[-1].value:.3g}."
        ),
    )


def _slope_table(slopes: Mapping[int, Estimate]) -> Table:
    return Table.of_columns(
        "variance_slopes",
        "Fall of the variance per qubit",
        {
            "circuit": [f"depth {depth}" for depth in slopes],
            ("slope of log2 variance", 2, "per qubit"): list(slopes.values()),
            ("factor", 2, "per qubit"): [2.0**-slope.value for slope in slopes.values()],
        },
        (
            "-1 halves the variance with every qubit, as deep random circuits do; 0 is no plateau. "
            "The interval is what the weight sets leave open, not a bend of the line."
        ),
    )


def _table(variances: Variances) -> Table:
    sizes = sorted(variances.sizes, key=lambda size: (size.qubits, size.depth))
    estimates = [variances.estimate(size) for size in sizes]
    return Table.of_columns(
        "variances",
        "Variance of d<Z_0>/d weight",
        {
            ("qubits", 0): [float(size.qubits) for size in sizes],
            ("depth", 0): [float(size.depth) for size in sizes],
            "variance": estimates,
            ("shots for signal = noise", 0): [1 / (2 * each.value) for each in estimates],
        },
        (
            "The shots are those per circuit at which the shot noise of the shift rule, at most "
            "1 / (2 shots), equals this variance."
        ),
    )
