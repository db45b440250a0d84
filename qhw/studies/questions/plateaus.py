"""Section 6b: how the gradient's variance falls with depth and qubits (barren plateaus).

McClean et al. (arXiv 1803.11173): over random weights the gradient of a sufficiently deep circuit
has mean 0 and a variance that falls exponentially with the qubits. Here it is that of <Z_0> by the
RY weight of qubit 0 in the first layer, at the mean state, without noise. The encoding is `linear`,
so that every number of qubits is allowed.

data/plateaus/nQUBITS-dDEPTH-ENTANGLEMENT-DRAWS.npz
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy.circuit import RingCircuit
from qhw.studies.finding import Axis, Cell, Column, Estimate, Figure, Finding, Series, Table
from qhw.studies.measured.visited import require
from qhw.studies.statistics.bootstrap import (
    TAIL,
    Bootstrap,
    hierarchical_bootstrap,
    paired_difference,
)
from qhw.studies.statistics.holm import holm
from qhw.studies.statistics.intervals import of_positive, shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.study import Arrays, Scope, kept, read_arrays

FloatArray = NDArray[np.float64]

QUICK_QUBITS, FULL_QUBITS = (2, 4, 6, 8, 10), tuple(range(2, 11))
DEPTHS = tuple(range(1, 13))
QUBITS_OF_DEPTHS = 4
DEPTHS_OF_QUBITS = (2, 6)
QUICK_DRAWS, FULL_DRAWS = 400, 4000
WEIGHT = 1
"""Position of qubit 0's RY in the first layer; see `RingCircuit.quantum_circuit`."""
AT_ONCE = 200
SEED = 1_803
ALPHA = 0.05
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


class Plateaus:
    """Variance of a gradient against depth and qubits."""

    name = "plateaus"
    question = "Does the gradient vanish as the circuit grows?"

    def acquire(self, scope: Scope) -> None:
        """Draw gradients for every size that is not there yet."""
        for size in sizes(scope):
            path = _path(scope, size)
            if not path.exists():
                scope.tell(f"gradients of {size.qubits} qubits, depth {size.depth}")
                kept(path, partial(_draw, _circuit(scope, size), draws_of(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Variances with their intervals, and the slope per qubit."""
        known = sizes(scope)
        squares = [np.square(read_arrays(require(_path(scope, s)))["gradient"]) for s in known]
        samples = np.array(squares)[:, None]
        found = hierarchical_bootstrap(samples)
        if not (found.replicates > 0).all():
            return Finding(study=self.name, question=self.question, refusal=NO_GRADIENT)
        qubits = qubits_of(scope)
        slopes = {depth: _slope(known, found, qubits, depth) for depth in DEPTHS_OF_QUBITS}
        return Finding(
            study=self.name,
            question=self.question,
            answer=_answer(slopes, known, samples),
            figures=(
                _figure_by_qubits(known, found, qubits, slopes),
                _figure_by_depth(known, found),
            ),
            tables=(_slope_table(slopes), _table(known, found)),
            notes=(
                f"{draws_of(scope)} random weight sets of every size, uniform in [-pi, pi]; one "
                "input, the mean state; no training seed is involved. Intervals: 95 %, over the "
                "weight sets.",
                f"Entanglement `{scope.runs[0].config.actor.circuit.entanglement}`, encoding "
                "`linear`, no noise and no shots (Aer's state vectors): noise makes gradients "
                "smaller still, and shots set a floor below which none is seen.",
                "Trained weights are not random ones: a plateau says how hard it is to start, not "
                "where training ends.",
            ),
            provenance={
                "bootstrap seed": found.seed,
                "bootstrap resamples": len(found.replicates),
                "weight sets": draws_of(scope),
                "seed of the weights": SEED,
            },
        )


def qubits_of(scope: Scope) -> tuple[int, ...]:
    """Numbers of qubits that are compared."""
    return FULL_QUBITS if scope.full else QUICK_QUBITS


def sizes(scope: Scope) -> list[Size]:
    """Every size once: against qubits at two depths, and against depth at four qubits."""
    against_qubits = [Size(n, depth) for depth in DEPTHS_OF_QUBITS for n in qubits_of(scope)]
    against_depth = [Size(QUBITS_OF_DEPTHS, depth) for depth in DEPTHS]
    return list(dict.fromkeys([*against_qubits, *against_depth]))


def draws_of(scope: Scope) -> int:
    """Random weight sets of every size."""
    return FULL_DRAWS if scope.full else QUICK_DRAWS


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


def _path(scope: Scope, size: Size) -> Path:
    circuit = _circuit(scope, size)
    stem = f"n{size.qubits}-d{size.depth}-{circuit.entanglement}-{draws_of(scope)}"
    return scope.data("plateaus") / f"{stem}.npz"


def _slope(known: Sequence[Size], found: Bootstrap, qubits: Sequence[int], depth: int) -> Estimate:
    """Least-squares slope of log2 variance per qubit at one depth."""
    rows = [known.index(Size(n, depth)) for n in qubits]
    away = np.array(qubits) - np.mean(qubits)
    weights = away / (away @ away)
    low, high = np.quantile(np.log2(found.replicates[:, rows]) @ weights, [TAIL, 1 - TAIL])
    return Estimate(
        value=float(np.log2(found.value[rows]) @ weights), low=float(low), high=float(high)
    )


def _answer(slopes: dict[int, Estimate], known: Sequence[Size], squares: FloatArray) -> str:
    told = " ".join(_slope_in_words(depth, estimate) for depth, estimate in slopes.items())
    return f"{told} {_depth_in_words(known, squares)}"


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


def _depth_in_words(known: Sequence[Size], squares: FloatArray) -> str:
    """The last depth at which the variance still differs from the deepest one's."""
    rows = squares[[known.index(Size(QUBITS_OF_DEPTHS, depth)) for depth in DEPTHS]]
    found = paired_difference(rows[:-1], np.broadcast_to(rows[-1], rows[:-1].shape))
    apart = np.flatnonzero(holm(found.p_value) < ALPHA)
    circuits = f"circuits of {QUBITS_OF_DEPTHS} qubits"
    if not apart.size:
        # The depth whose variance is the least well known.
        widest = np.argmax(np.ptp(found.replicates, axis=0))
        units = units_of((rows[widest] - rows[-1]) / rows[-1].mean())
        what = f"between the variances of {circuits} and depths {DEPTHS[0]} to {DEPTHS[-1]}"
        return nothing_seen(
            what,
            units.sd,
            MATTERS,
            units.have,
            "weight sets",
            alpha=ALPHA / len(rows[:-1]),
            form="{:.0%}",
        )
    last = int(apart[-1])
    ratio = float(rows[-1].mean() / rows[last].mean())
    change = f"{'rises' if ratio > 1 else 'falls'} by a factor of {max(ratio, 1 / ratio):.1f}"
    told = f"In {circuits} the variance {change} from depth {DEPTHS[last]} to {DEPTHS[-1]}"
    if last == len(DEPTHS) - 2:
        return f"{told}, and still changes there."
    return f"{told}; from depth {DEPTHS[last + 1]} on no further change is seen."


def _figure_by_qubits(
    known: Sequence[Size],
    found: Bootstrap,
    qubits: Sequence[int],
    slopes: dict[int, Estimate],
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
            _series(f"depth {depth}", qubits, [Size(n, depth) for n in qubits], known, found)
            for depth in DEPTHS_OF_QUBITS
        ),
        reading=(
            "The scale is logarithmic: a straight fall is exponential decay, a barren plateau; a "
            "level line is none. Bands are 95 % intervals."
        ),
        alternative=f"Variance against {qubits[0]} to {qubits[-1]} qubits. {ends}.",
    )


def _figure_by_depth(known: Sequence[Size], found: Bootstrap) -> Figure:
    wanted = [Size(QUBITS_OF_DEPTHS, depth) for depth in DEPTHS]
    first, last = (found.value[known.index(size)] for size in (wanted[0], wanted[-1]))
    return Figure(
        id="variance_by_depth",
        title=f"Variance of a gradient by depth, {QUBITS_OF_DEPTHS} qubits",
        kind="lines",
        x=Axis(label="depth", unit="layers"),
        y=Axis(label="variance of d<Z_0>/d weight", log=True),
        series=(_series(f"{QUBITS_OF_DEPTHS} qubits", DEPTHS, wanted, known, found),),
        reading=(
            "Where the line levels off, more layers make the start of training no harder. The band "
            "is the 95 % interval."
        ),
        alternative=f"Variance from depth {DEPTHS[0]}, {first:.3g}, to {DEPTHS[-1]}, {last:.3g}.",
    )


def _series(
    name: str,
    x: Sequence[int],
    wanted: Sequence[Size],
    known: Sequence[Size],
    found: Bootstrap,
) -> Series:
    points = [of_positive(found.estimate(known.index(size))) for size in wanted]
    return Series.of(name, list(map(float, x)), points)


def _slope_table(slopes: dict[int, Estimate]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (f"depth {depth}", estimate, 2.0**-estimate.value) for depth, estimate in slopes.items()
    ]
    return Table(
        id="variance_slopes",
        title="Fall of the variance per qubit",
        columns=(
            Column(name="circuit"),
            Column(name="slope of log2 variance", unit="per qubit", digits=2),
            Column(name="factor", unit="per qubit", digits=2),
        ),
        rows=tuple(rows),
        reading=(
            "-1 halves the variance with every qubit, as deep random circuits do; 0 is no plateau. "
            "The interval is what the weight sets leave open, not a bend of the line."
        ),
    )


def _table(known: Sequence[Size], found: Bootstrap) -> Table:
    order = sorted(known, key=lambda size: (size.qubits, size.depth))
    rows: list[tuple[Cell, ...]] = []
    for size in order:
        variance = of_positive(found.estimate(known.index(size)))
        shots = 1 / (2 * variance.value)
        rows.append((float(size.qubits), float(size.depth), variance, shots))
    return Table(
        id="variances",
        title="Variance of d<Z_0>/d weight",
        columns=(
            Column(name="qubits", digits=0),
            Column(name="depth", digits=0),
            Column(name="variance"),
            Column(name="shots for signal = noise", digits=0),
        ),
        rows=tuple(rows),
        reading=(
            "The shots are those per circuit at which the shot noise of the shift rule, at most "
            "1 / (2 shots), equals this variance."
        ),
    )
