"""What every way of mitigating errors has in common, and the one that does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from policy.backend import FloatArray
from qhw.backends.facts import MitigationFacts
from qhw.config import MethodName

Measured = tuple[FloatArray, FloatArray]
"""Values (..., n) and their standard errors, of the same shape."""


class Mitigation(Protocol):
    """Turns what a device measured into better estimates of <Z_i>.

    `combine` is affine in the measured values for every method here, so standard errors follow
    from the shots without an approximation.
    """

    @property
    def name(self) -> MethodName:
        """`none`, `readout`, `affine` or `zne`."""

    @property
    def scales(self) -> tuple[int, ...]:
        """Fold factors at which circuits are measured; (1,) for all but `zne`."""

    @property
    def differentiable(self) -> bool:
        """Whether gradients may be measured through it."""

    def combine(self, measured: Sequence[Measured]) -> Measured:
        """Mitigate.

        Args:
            measured: One entry for each of `scales`.

        Returns:
            Values (..., n), not clipped to [-1, 1], and their standard errors.
        """

    def gain(self) -> FloatArray:
        """(n,) derivative of a mitigated value by its measured one, to chain a vjp.

        Raises:
            MitigationError: If gradients may not be measured through it.
        """

    def facts(self) -> MitigationFacts:
        """Method, where its numbers come from, residual, and overhead."""


@dataclass(frozen=True)
class Unmitigated:
    """Passes on what was measured."""

    name: ClassVar[MethodName] = "none"
    scales: ClassVar[tuple[int, ...]] = (1,)
    differentiable: ClassVar[bool] = True

    def combine(self, measured: Sequence[Measured]) -> Measured:
        """See `Mitigation`."""
        return only_scale(measured)

    def gain(self) -> FloatArray:
        """(1,), which stands for any number of outputs."""
        return np.ones(1)

    def facts(self) -> MitigationFacts:
        """See `Mitigation`."""
        return MitigationFacts(self.name)


def only_scale(measured: Sequence[Measured]) -> Measured:
    """The entry of a method that measures at one scale.

    Raises:
        ValueError: If there are several.
    """
    if len(measured) != 1:
        raise ValueError(f"{len(measured)} scales were measured: this method takes one")
    return measured[0]
