"""Fitting an affine map to a calibration, and asking by a probe whether it still fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from policy import Ansatz, Cost, ExpectationBackend
from policy.backend import FloatArray
from qhw.backends.aer import AerBackend
from qhw.backends.mitigation.affine import AffineMap
from qhw.config import AFFINE_CIRCUITS, PROBE_CIRCUITS
from qhw.errors import MitigationError

CALIBRATION_SEED, PROBE_SEED = 32_768, 8_192
FEWEST_CIRCUITS = 16
SMALLEST_SPREAD = 0.02
"""Least standard deviation of an output's ideal values that still fixes a slope."""
FALSE_ALARMS = 1e-3
"""Chance that a probe refuses a map that fits."""
ROUNDING = 1e-9
"""Differences below this mean nothing, even where values and map are exact."""


class CalibrationInputs(NamedTuple):
    """Random angles, row by row.

    Attributes:
        angles: (rows, A) in rad.
        weights: (rows, P) in rad; row k belongs to row k of the angles.
    """

    angles: FloatArray
    weights: FloatArray

    @property
    def rows(self) -> FloatArray:
        """(rows, A + P) in rad: both side by side, as a remote job takes them."""
        return np.hstack([self.angles, self.weights])


@dataclass(frozen=True)
class Rows:
    """What was measured, row by row.

    Attributes:
        values: (rows, n).
        errors: (rows, n), standard errors.
        cost: Cost of all rows.
    """

    values: FloatArray
    errors: FloatArray
    cost: Cost


def calibration_inputs(
    circuit: Ansatz, count: int = AFFINE_CIRCUITS, seed: int = CALIBRATION_SEED
) -> CalibrationInputs:
    """Draw angles and weights uniformly from [-pi, pi]; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-np.pi, np.pi, (count, circuit.num_angles))
    return CalibrationInputs(angles, rng.uniform(-np.pi, np.pi, (count, circuit.num_weights)))


def evaluate_rows(backend: ExpectationBackend, inputs: CalibrationInputs) -> Rows:
    """Evaluate every row's angles under its own weights, and nothing else."""
    estimates = [
        backend.evaluate(inputs.angles[[row]], inputs.weights[[row]])
        for row in range(len(inputs.angles))
    ]
    return Rows(
        np.array([estimate.values[0, 0] for estimate in estimates]),
        np.array([estimate.standard_errors[0, 0] for estimate in estimates]),
        sum((estimate.cost for estimate in estimates), Cost()),
    )


def ideal_values(circuit: Ansatz, inputs: CalibrationInputs) -> FloatArray:
    """Noiseless <Z_i> (rows, n) from state vectors."""
    return evaluate_rows(AerBackend(circuit), inputs).values


def fit_affine(
    measured: FloatArray,
    errors: FloatArray,
    ideal: FloatArray,
    *,
    shots: int,
    date: str,
    calibration_digest: str,
    device: str,
    key: str,
) -> AffineMap:
    """Fit noisy = a ideal + b for each output by least squares.

    Rows weigh alike: shot errors of random circuits differ little, and weights taken from measured
    values would favour rows whose noise pushed them towards +-1.

    Args:
        measured: (rows, n).
        errors: (rows, n) standard errors from the shots; 0 where exact.
        ideal: (rows, n) noiseless values.
        shots: Shots of each circuit; 0 where exact.
        date: ISO 8601.
        calibration_digest: Digest of the device's calibration.
        device: Name.
        key: Identity of circuit and layout.

    Raises:
        MitigationError: If there are too few circuits, an output's ideals hardly vary, or a slope
            lies below 0.3.
    """
    if not measured.shape == errors.shape == ideal.shape or measured.ndim != 2:
        raise ValueError(f"{measured.shape}, {errors.shape}, {ideal.shape}: need (rows, n) each")
    refuse_too_little(ideal)
    away = ideal - ideal.mean(axis=0)
    slope = (away * measured).sum(axis=0) / (away**2).sum(axis=0)
    intercept = measured.mean(axis=0) - slope * ideal.mean(axis=0)
    missed = measured - slope * ideal - intercept
    # Unbiased variance (n,) about a line of two fitted numbers.
    scatter = (missed**2).sum(axis=0) / (len(missed) - 2)
    return AffineMap(
        slope=slope,
        intercept=intercept,
        residual=np.sqrt((scatter - (errors**2).mean(axis=0)).clip(min=0)),
        covariance=_covariance(scatter, ideal),
        circuits=len(measured),
        shots=shots,
        date=date,
        calibration_digest=calibration_digest,
        device=device,
        key=key,
    )


def refuse_too_little(ideal: FloatArray) -> None:
    """Refuse circuits to which no line can be fitted, whatever is measured.

    Args:
        ideal: (B, n) their values without noise.

    Raises:
        MitigationError: If there are too few, or an output does not vary.
    """
    if len(ideal) < FEWEST_CIRCUITS:
        raise MitigationError(
            f"{len(ideal)} calibration circuits: a fit to fewer than {FEWEST_CIRCUITS} is unsafe.",
            f"Measure {AFFINE_CIRCUITS}.",
        )
    spread = ideal.std(axis=0)
    if not spread.min() >= SMALLEST_SPREAD:
        raise MitigationError(
            f"The ideal values of output {int(spread.argmin())} vary by {spread.min():.3f} only "
            f"over the calibration circuits; a slope needs {SMALLEST_SPREAD}.",
            "Take --mitigation readout for this circuit.",
        )


def _covariance(scatter: FloatArray, ideal: FloatArray) -> FloatArray:
    """Covariance scatter x (X^T X)^-1 of every output; X has the columns `ideal` and 1."""
    mean = ideal.mean(axis=0)
    of_slope = scatter / ((ideal - mean) ** 2).sum(axis=0)
    of_intercept = scatter / len(ideal) + mean**2 * of_slope
    rows = np.array([[of_slope, -mean * of_slope], [-mean * of_slope, of_intercept]])
    return np.moveaxis(rows, -1, 0)


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        fits: Whether the map may go on being used.
        chi2: Reduced: the mean of (measured - predicted)^2 / variance, about 1 for a map that fits.
        threshold: Above it the map is refitted.
        drift: By how much the slopes have moved, all outputs taken together.
        drift_limit: Beyond it, either way, the map is refitted.
        false_alarms: Chance that a map that fits is refitted all the same.
    """

    fits: bool
    chi2: float
    threshold: float
    drift: float
    drift_limit: float
    false_alarms: float

    def __str__(self) -> str:
        """One phrase for the first lines of a run."""
        return (
            f"{'still fits' if self.fits else 'no longer fits'}: reduced chi-square "
            f"{self.chi2:.2f} (limit {self.threshold:.2f}), slopes moved by {self.drift:+.3f} "
            f"(limit {self.drift_limit:.3f})"
        )


def probe_inputs(circuit: Ansatz) -> CalibrationInputs:
    """The probe's random circuits; they are others than the calibration's."""
    return calibration_inputs(circuit, PROBE_CIRCUITS, PROBE_SEED)


def still_fits(
    affine: AffineMap,
    measured: FloatArray,
    errors: FloatArray,
    ideal: FloatArray,
    false_alarms: float = FALSE_ALARMS,
) -> Probe:
    """Compare a probe with what a map predicts.

    The variance of each difference is that of the shots, of the map's residual and of its fit.

    Args:
        affine: The map.
        measured: (rows, n).
        errors: (rows, n) standard errors from the shots.
        ideal: (rows, n) noiseless values.
        false_alarms: Chance of refusing a map that fits; each question takes half of it.
    """
    from scipy.stats import chi2, norm

    difference = measured - affine.predict(ideal)
    scatter = errors**2 + affine.residual**2 + ROUNDING**2
    distance = difference**2 / (scatter + affine.own_variance(ideal))
    reduced = float(distance.mean())
    threshold = float(chi2.isf(false_alarms / 2, distance.size)) / distance.size
    drift, error = _drift(affine, difference, scatter, ideal)
    limit = float(norm.isf(false_alarms / 4)) * error
    fits = reduced <= threshold and abs(drift) <= limit
    return Probe(fits, reduced, threshold, drift, limit, false_alarms)


def _drift(
    affine: AffineMap, difference: FloatArray, scatter: FloatArray, ideal: FloatArray
) -> tuple[float, float]:
    """Common change of all slopes by weighted least squares, and its standard error.

    The fit's own error is the same in all rows, so it is summed per output before it is squared.
    """
    weighted = ideal / scatter
    pull = np.stack([(weighted * ideal).sum(axis=0), weighted.sum(axis=0)], axis=1)
    total = float(pull[:, 0].sum())
    of_fit = float(np.einsum("ni,nij,nj->", pull, affine.covariance, pull))
    return float((weighted * difference).sum()) / total, float(np.sqrt(total + of_fit)) / total
