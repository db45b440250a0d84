"""Zero-noise extrapolation (Temme et al., arXiv 1612.02058; Li and Benjamin, 1611.09301).

The circuit is measured at several noise scales; a polynomial through the values is read at scale 0.
For given scales that is one fixed weight per scale, so it works on whole arrays and its standard
errors are exact. The weights are those of Mitiq's factories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from policy.backend import FloatArray
from qhw.backends.facts import MitigationFacts
from qhw.backends.mitigation.folding import refuse_scale
from qhw.backends.mitigation.method import Measured
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.config import ZNE_SCALES, MethodName
from qhw.errors import MitigationError

Extrapolation = Literal["linear", "richardson"]

NO_GRADIENTS = (
    "Zero-noise extrapolation is not used for gradients: it adds more shot noise than it takes "
    "bias away. At 1,024 shots per evaluation on fake_brisbane, the parameter-shift gradient's "
    "cosine with the ideal one is .925 with it and .977 without (benchmarks/mitigation.py)."
)


@dataclass(frozen=True, eq=False)
class ZeroNoise:
    """Extrapolation over odd noise scales.

    Attributes:
        scales: Fold factors, odd, rising, at least two.
        readout: Inverted, too; None leaves read-out error in, which folding does not multiply.
        method: A straight line, or the polynomial through all points.

    Raises:
        MitigationError: If the scales cannot be used.
    """

    scales: tuple[int, ...] = ZNE_SCALES
    readout: ReadoutInversion | None = None
    method: Extrapolation = "linear"
    name: ClassVar[MethodName] = "zne"
    differentiable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for scale in self.scales:
            refuse_scale(scale)
        if len(self.scales) < 2 or sorted(set(self.scales)) != list(self.scales):
            raise MitigationError(
                f"Noise scales {self.scales}: extrapolation needs two or more, rising.",
                "Take (1, 3).",
            )

    @property
    def weights(self) -> FloatArray:
        """(scales,) weight of each; they sum to 1."""
        degree = 1 if self.method == "linear" else len(self.scales) - 1
        return extrapolation_weights(self.scales, degree)

    def combine(self, measured: Sequence[Measured]) -> Measured:
        """See `Mitigation`.

        Weights sum to 1, so inverting the read-out once, after extrapolating, equals inverting it
        at every scale.
        """
        if len(measured) != len(self.scales):
            raise ValueError(f"{len(measured)} measured scales: need {len(self.scales)}")
        values = np.stack([value for value, _ in measured])
        errors = np.stack([error for _, error in measured])
        extrapolated = _over_scales(self.weights, values)
        spread = np.sqrt(_over_scales(self.weights**2, errors**2))
        if self.readout is None:
            return extrapolated, spread
        return self.readout.combine([(extrapolated, spread)])

    def gain(self) -> FloatArray:
        """Refused: see `NO_GRADIENTS`.

        Raises:
            MitigationError: Always.
        """
        raise MitigationError(NO_GRADIENTS, "Take --mitigation affine or readout.")

    def facts(self) -> MitigationFacts:
        """See `Mitigation`."""
        scales = ", ".join(str(scale) for scale in self.scales)
        weights = ", ".join(f"{weight:+.3g}" for weight in self.weights)
        return MitigationFacts(
            self.name,
            self.readout.facts().details if self.readout else {},
            overhead=len(self.scales),
            extrapolation=f"{self.method}, scales {scales}, weights {weights}",
        )


def extrapolation_weights(scales: Sequence[int], degree: int) -> FloatArray:
    """Weights (scales,) of a least-squares polynomial's value at scale 0.

    Args:
        scales: Distinct.
        degree: Degree of the polynomial, below the number of scales.
    """
    powers = np.vander(np.array(scales, dtype=np.float64), degree + 1, increasing=True)
    weights: FloatArray = np.linalg.pinv(powers)[0]
    return weights


def _over_scales(weights: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(weights, values, axes=1), dtype=np.float64)
