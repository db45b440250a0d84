"""Whether an affine map still fits: a few fresh circuits against what it predicts.

Two questions share the chance of a false alarm. The reduced chi-square sees any disagreement. The
slope that all outputs share sees the common one, more or less noise everywhere, and sees it at
about half the strength, since it puts all the numbers into one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.mitigation.affine import AffineMap
from qhw.backends.mitigation.fitting import CalibrationInputs, calibration_inputs

PROBE_CIRCUITS = 8
PROBE_SEED = 8_192
FALSE_ALARMS = 1e-3
ROUNDING = 1e-9
"""Differences below this mean nothing, even where values and map are exact."""


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


def probe_inputs(circuit: RingCircuit) -> CalibrationInputs:
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
    found = float(distance.mean())
    threshold = float(chi2.isf(false_alarms / 2, distance.size)) / distance.size
    drift, error = _drift(affine, difference, scatter, ideal)
    limit = float(norm.isf(false_alarms / 4)) * error
    fits = found <= threshold and abs(drift) <= limit
    return Probe(fits, found, threshold, drift, limit, false_alarms)


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
