"""Per-feature affine calibration: noisy = a ideal + b, fitted once and inverted after.

A device's noise acts on <Z_i> of this circuit almost as a contraction, so a straight line per
output, fitted to circuits whose ideal values a small simulation knows, takes gate noise and
read-out error out together. It is Clifford data regression (Czarnik et al., arXiv 2005.10189) with
random angles instead of near-Clifford circuits, and one fit for all inputs instead of one for each.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from calibration import Assumptions
from policy.backend import FloatArray
from qhw.backends.circuit_file import circuit_digest
from qhw.backends.facts import MitigationFacts
from qhw.backends.mitigation.method import Measured, only_scale
from qhw.backends.transpilation import TranspiledCircuit
from qhw.config import MethodName
from qhw.errors import MitigationError
from qhw.files import make_private, replace_file

SMALLEST_SLOPE = 0.3
_ARRAYS = ("slope", "intercept", "residual", "covariance")
_FACTS = ("circuits", "shots", "date", "calibration_digest", "device", "key")


@dataclass(frozen=True, eq=False)
class AffineMap:
    """One line per output.

    Attributes:
        slope: (n,) a.
        intercept: (n,) b.
        residual: (n,) rms of what the line misses beyond shot noise, in units of <Z>.
        covariance: (n, 2, 2) of the fitted (a, b), from the scatter about the line.
        circuits: Calibration circuits.
        shots: Shots of each; 0 where they were exact.
        date: When they were measured, ISO 8601.
        calibration_digest: Digest of the device's calibration then; see `DeviceSnapshot`.
        device: Name.
        key: Identity of circuit and layout; see `qhw.backends.mitigation.affine.affine_key`.

    Raises:
        MitigationError: If a slope lies below 0.3: the noise is too strong to be inverted.
    """

    slope: FloatArray
    intercept: FloatArray
    residual: FloatArray
    covariance: FloatArray
    circuits: int
    shots: int
    date: str
    calibration_digest: str
    device: str
    key: str
    name: ClassVar[MethodName] = "affine"
    scales: ClassVar[tuple[int, ...]] = (1,)
    differentiable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        n = len(self.slope)
        shapes = (self.intercept.shape, self.residual.shape, self.covariance.shape)
        if self.slope.ndim != 1 or shapes != ((n,), (n,), (n, 2, 2)):
            raise ValueError(f"slope {self.slope.shape} with {shapes}: need (n,), (n,), (n, 2, 2)")
        worst = int(self.slope.argmin())
        # Written so that NaN is refused, too.
        if not self.slope.min() >= SMALLEST_SLOPE:
            raise MitigationError(
                f"The affine calibration of {self.device} has slope {self.slope[worst]:.3f} at "
                f"output {worst}; below {SMALLEST_SLOPE} the noise is too strong to be inverted.",
                "Take --mitigation readout, fewer layers (--depth 1), or a better device.",
            )

    def predict(self, ideal: FloatArray) -> FloatArray:
        """What the device is expected to measure (..., n) where a noiseless one gives `ideal`."""
        expected: FloatArray = self.slope * ideal + self.intercept
        return expected

    def own_variance(self, ideal: FloatArray) -> FloatArray:
        """Variance (..., n) of `predict` that comes from the fit itself."""
        of_slope, of_intercept = self.covariance[:, 0, 0], self.covariance[:, 1, 1]
        mixed = self.covariance[:, 0, 1]
        variance: FloatArray = ideal**2 * of_slope + 2 * ideal * mixed + of_intercept
        return variance

    def combine(self, measured: Sequence[Measured]) -> Measured:
        """See `Mitigation`; the errors are those of the shots, and `own_error` comes on top."""
        values, errors = only_scale(measured)
        return (values - self.intercept) / self.slope, errors / self.slope

    def own_error(self, mitigated: FloatArray) -> FloatArray:
        """Error (..., n) that fit and residual leave in mitigated values.

        A residual below what the calibration's shots resolve counts as that. The error is kept
        apart from the shots' since it stays the same when the same circuit is measured again: it
        neither averages out nor makes a policy's actions tremble.
        """
        missed = self.residual.clip(min=self.resolution)
        error: FloatArray = np.sqrt(self.own_variance(mitigated) + missed**2) / self.slope
        return error

    @property
    def resolution(self) -> float:
        """Residual below which it cannot be told from shot noise; 0 where values are exact.

        The scatter about the line has a standard error of sqrt(2 / (circuits - 2)) of itself, and
        a shot's variance is at most 1.
        """
        return (2 / (self.circuits - 2)) ** 0.25 / self.shots**0.5 if self.shots else 0.0

    def gain(self) -> FloatArray:
        """See `Mitigation`."""
        return 1 / self.slope

    @property
    def _residual_phrase(self) -> str:
        worst = float(self.residual.max())
        if worst < self.resolution:
            return f"below {self.resolution:.4f} rms, which the shots resolve"
        return f"{worst:.4f} rms at the worst output"

    def facts(self) -> MitigationFacts:
        """See `Mitigation`."""
        shots = f"{self.shots} shots" if self.shots else "exact values"
        details = {
            "affine calibration": f"{self.circuits} circuits x {shots}, {self.date}",
            "affine slope": f"{self.slope.min():.3f} to {self.slope.max():.3f}",
            "affine residual": self._residual_phrase,
            "affine error beside shots": f"{self.own_error(np.zeros(1)).max():.4f} near <Z> = 0",
        }
        return MitigationFacts(self.name, details, overhead=1)


def affine_key(transpiled: TranspiledCircuit, assumptions: Assumptions | None = None) -> str:
    """Identity of what a map was fitted for.

    Args:
        transpiled: The circuit in the device's gates, and the qubits that are read out.
        assumptions: How the device is simulated; None for a live one.
    """
    parts: list[object] = [circuit_digest(transpiled.circuit), list(transpiled.output_qubits)]
    if assumptions is not None:
        parts.append(dataclasses.asdict(assumptions))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class AffineStore:
    """One JSON file per device and key.

    Attributes:
        folder: Is made, for its owner alone, when the first map is kept.
    """

    folder: Path

    def load(self, device: str, key: str) -> AffineMap | None:
        """The map last kept; None where there is none.

        Raises:
            MitigationError: If the file is damaged, or its slope is too small to be used.
        """
        path = self.path(device, key)
        try:
            return affine_from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise MitigationError(
                f"The affine calibration {path} is damaged: {error}",
                f"Delete it, and the next run measures it anew: rm {path}",
            ) from error

    def save(self, affine: AffineMap) -> None:
        """Keep a map, in place of an earlier one of its device and key, in one step."""
        make_private(self.folder)
        replace_file(self.path(affine.device, affine.key), affine_to_json(affine).encode())

    def path(self, device: str, key: str) -> Path:
        """Where a map is kept."""
        return self.folder / f"{device}-{key}.json"


def affine_to_json(affine: AffineMap) -> str:
    """Render as JSON; `affine_from_json` reads it back to an equal map."""
    arrays = {name: getattr(affine, name).tolist() for name in _ARRAYS}
    return json.dumps({**{name: getattr(affine, name) for name in _FACTS}, **arrays}, indent=2)


def affine_from_json(text: str) -> AffineMap:
    """Read what `affine_to_json` wrote.

    Raises:
        ValueError: If it is not JSON, or a shape is wrong.
        KeyError: If a field is missing.
        TypeError: If it is not a table.
    """
    values: dict[str, Any] = json.loads(text)
    facts = {name: values[name] for name in _FACTS}
    for name in _ARRAYS:
        facts[name] = np.array(values[name], dtype=np.float64)
    return AffineMap(**facts)
