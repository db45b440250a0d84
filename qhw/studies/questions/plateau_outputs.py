"""Barren plateaus of every output and weight, on the ring and on the line.

Cerezo et al. (arXiv 2001.00550): gradients of a local output vanish slower than those of a global
one, if the circuit is shallow. Whether <Z_i> is local is told before the CNOTs of a layer, not
after: Z of a CNOT's target is there Z of both. Along a line Z_0 stays what it is, and the last
output is the product of all; the CNOT that closes the ring makes Z_0 a product of n - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from policy.circuit import Entanglement, RingCircuit
from qhw.studies.finding import Axis, Cell, Estimate, Figure, Series, Table
from qhw.studies.measured.all_gradients import Spread, draw_all, string_lengths
from qhw.studies.statistics.bootstrap import TAIL, hierarchical_bootstrap
from qhw.studies.statistics.intervals import shown
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope

STUDY = "plateaus"
TOLD_APART = 4.0
"""Difference of Akaike's criterion from which on one of two fits counts as better."""
Rows = Callable[[FloatArray], FloatArray]
OUTPUTS: dict[str, Rows] = {
    "every <Z_i>": lambda rows: rows[:-1],
    "<Z_0>": lambda rows: rows[:1],
    "<Z_last>": lambda rows: rows[-2:-1],
    "global Z..Z": lambda rows: rows[-1:],
}
"""Which rows of (outputs, ...) are meant; the global one is the last."""


@dataclass(frozen=True)
class Fits:
    """Two laws of the variance by qubits: exponential and power.

    Attributes:
        slope: Of log2 variance per qubit.
        exponent: Of the power law, below 0 where it falls.
        favour: Akaike's criterion of the power law minus that of the exponential; above 0 where the
            exponential fits better.
        share: Of the resamples in which it does.
    """

    slope: Estimate
    exponent: float
    favour: float
    share: float

    @property
    def words(self) -> str:
        """Which fits better."""
        if abs(self.favour) < TOLD_APART:
            return "neither"
        return "exponential" if self.favour > 0 else "power law"


class Outputs:
    """What was drawn, by entanglement, depth and qubits.

    Args:
        scope: What the report is about.

    Raises:
        DataError: If it was not drawn yet.
    """

    def __init__(self, scope: Scope) -> None:
        self.qubits, self.layers = scope.sizes.plateau_qubits, scope.sizes.plateau_layers
        self.shapes, self.draws = shapes(scope), scope.sizes.plateau_all_draws
        self._spreads = {
            each: Spread.read(scope.store(STUDY).arrays(_file(scope, *each)))
            for each in _circuits(scope)
        }

    def range(self, shape: Entanglement, depth: int, qubits: int, rows: Rows) -> Estimate | None:
        """Median, least and largest variance over the outputs and the weights that act on them."""
        spread = self._spreads[shape, depth, qubits]
        found = rows(spread.variance)[rows(np.asarray(spread.acting, float)) > 0]
        if not found.size:
            return None
        low, high = float(found.min()), float(found.max())
        return Estimate(value=float(np.median(found)), low=low, high=high)

    def fits(self, shape: Entanglement, depth: int, rows: Rows) -> Fits:
        """Fit the mean variance over outputs and weights by qubits."""
        draws = [rows(self._spreads[shape, depth, n].draws).mean(axis=0) for n in self.qubits]
        return fit_both(np.array(self.qubits, float), np.array(draws))


def fit_both(qubits: FloatArray, draws: FloatArray) -> Fits:
    """Fit an exponential and a power law to the means of squares (K, D), weighted by their errors.

    Both laws have two numbers, so that Akaike's criteria differ by chi squared.
    """
    found = hierarchical_bootstrap(draws[:, None])
    logs = np.log2(np.maximum(found.replicates, np.finfo(float).tiny))
    value, errors = np.log2(found.value), logs.std(axis=0)
    exponential, power = _laws(qubits, errors), _laws(np.log2(qubits), errors)
    slopes, missed = exponential(logs)
    _, missed_power = power(logs)
    (slope,), (chi,) = exponential(value[None])
    (exponent,), (chi_power,) = power(value[None])
    low, high = map(float, np.quantile(slopes, [TAIL, 1 - TAIL]))
    return Fits(
        Estimate(value=float(slope), low=low, high=high),
        float(exponent),
        float(chi_power - chi),
        float((missed < missed_power).mean()),
    )


def _laws(
    places: FloatArray, errors: FloatArray
) -> Callable[[FloatArray], tuple[FloatArray, FloatArray]]:
    """Slopes and chi squared of weighted straight lines through rows (B, K)."""
    design = np.stack([np.ones_like(places), places], axis=1) / errors[:, None]
    inverse = np.linalg.pinv(design)

    def fit(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        scaled = rows / errors
        found = scaled @ inverse.T
        return found[:, 1], np.square(scaled - found @ design.T).sum(axis=1)

    return fit


def shapes(scope: Scope) -> tuple[Entanglement, Entanglement]:
    """The report's own entanglement, and line or ring beside it."""
    own = scope.runs[0].config.actor.circuit.entanglement
    return own, "ring" if own == "line" else "line"


def acquire_outputs(scope: Scope) -> None:
    """Draw the gradients of every circuit that is not there yet."""
    for shape, depth, qubits in _circuits(scope):
        circuit = RingCircuit(qubits, depth, "linear", shape)
        what = f"all gradients of {qubits} qubits, depth {depth}, {shape}"
        draw = partial(draw_all, circuit, scope.sizes.plateau_all_draws)
        scope.store(STUDY).acquire(_file(scope, shape, depth, qubits), what, draw)


def _circuits(scope: Scope) -> list[tuple[Entanglement, int, int]]:
    sizes = scope.sizes
    return list(product(shapes(scope), sizes.plateau_layers, sizes.plateau_qubits))


def _file(scope: Scope, shape: Entanglement, depth: int, qubits: int) -> str:
    return f"all-n{qubits}-d{depth}-{shape}-{scope.sizes.plateau_all_draws}.npz"


def outputs_in_words(outputs: Outputs) -> str:
    """Slopes of the first and the last output at the least depth, and which law fits."""
    depth, deepest = outputs.layers[0], outputs.layers[-1]

    def told(shape: Entanglement) -> str:
        first, last = (
            shown(outputs.fits(shape, depth, OUTPUTS[name]).slope, "{:+.2f}")
            for name in ("<Z_0>", "<Z_last>")
        )
        return f"on the {shape} {first} for <Z_0> and {last} for the last output"

    own = outputs.fits(outputs.shapes[0], deepest, OUTPUTS["every <Z_i>"])
    laws = {
        "neither": "exponential and power law are not told apart",
        "exponential": "an exponential fits better than a power law",
        "power law": "a power law fits better than an exponential",
    }
    return (
        f"Over all weights at depth {depth}, log2 slopes per qubit are "
        f"{' and '.join(map(told, outputs.shapes))}. Over all outputs at depth {deepest}, "
        f"{laws[own.words]} (Akaike's criterion differs by {abs(own.favour):.0f})."
    )


def outputs_note(outputs: Outputs) -> str:
    """Why an output of one qubit is no local cost on the ring."""
    qubits = max(outputs.qubits)
    lengths: Mapping[str, Sequence[int]] = {
        shape: string_lengths(RingCircuit(qubits, 1, "linear", shape)) for shape in outputs.shapes
    }
    told = "; ".join(
        f"{shape}: <Z_0> {each[0]}, the last {each[-1]}, median {np.median(each):g}"
        for shape, each in lengths.items()
    )
    return (
        "An output of one qubit is not a local cost by that: before a layer's CNOTs, Z of a target "
        f"is the product of Z of both qubits. So many of {qubits} qubits does an output act on "
        f"there: {told}. Along a line Z_0 stays alone; the CNOT that closes a ring makes it a "
        "product of all others."
    )


def outputs_figure(outputs: Outputs) -> Figure:
    """Variance by qubits at the least depth, of single outputs and the global one."""
    depth, qubits = outputs.layers[0], outputs.qubits
    series = [
        Series.of(
            f"{shape}, {name}",
            list(map(float, qubits)),
            [outputs.range(shape, depth, n, rows) for n in qubits],
        )
        for shape in outputs.shapes
        for name, rows in list(OUTPUTS.items())[1:]
    ]
    return Figure(
        id="variance_by_output",
        title=f"Variance over all weights by output, depth {depth}",
        kind="lines",
        x=Axis(label="qubits"),
        y=Axis(label="variance of a gradient", log=True),
        series=tuple(series),
        reading=(
            "Lines are medians over the weights that act on an output, bands reach from the least "
            "to the largest: no intervals. A level line is an output that stays trainable."
        ),
        alternative="; ".join(f"{each.name}: {each.y[0]:.3g} to {each.y[-1]:.3g}" for each in series
                              if each.y[0] is not None and each.y[-1] is not None)
        + ".",
    )  # fmt: skip


def outputs_table(outputs: Outputs) -> Table:
    """Every output's variances at the most qubits, their slope, and which law fits."""
    most = max(outputs.qubits)
    rows: list[list[Cell]] = []
    for shape, depth in product(outputs.shapes, outputs.layers):
        for name, chosen in OUTPUTS.items():
            spread = outputs.range(shape, depth, most, chosen)
            fits = outputs.fits(shape, depth, chosen)
            cells: list[Cell] = [None, None, None]
            if spread is not None:
                cells = [f"{each:.2e}" for each in (spread.value, spread.low, spread.high)]
            law: list[Cell] = [fits.slope, fits.exponent, fits.favour, fits.words]
            rows.append([shape, float(depth), name, *cells, *law])
    return Table.of(
        "variances_by_output",
        f"Variances over all weights and outputs, at {most} qubits",
        [
            "entanglement", ("depth", 0), "output", "median", "least", "largest",
            ("slope of log2 variance", 2, "per qubit"), ("power law's exponent", 2),
            ("AIC, power minus exponential", 1), "which fits",
        ],
        rows,
        (
            f"Over the weights that act on an output. Fits are of the mean variance against the "
            f"qubits, weighted by its error over {outputs.draws} weight sets; a difference of "
            f"Akaike's criterion below {TOLD_APART:g} tells no law from the other."
        ),
    )  # fmt: skip
