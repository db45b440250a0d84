"""What the policy needs from quantum hardware, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from policy.ansatz import Ansatz

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """What an evaluation took.

    Attributes:
        circuits: Circuits with bound parameters that were run.
        shots: Shots in all; 0 where the answer is exact.
        seconds: Wall-clock seconds.
        jobs: Jobs on a device; 0 for simulators.
        qpu_seconds: Seconds of a device that were billed; 0 for simulators.
    """

    circuits: int = 0
    shots: int = 0
    seconds: float = 0.0
    jobs: int = 0
    qpu_seconds: float = 0.0

    def __add__(self, other: Self) -> Self:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return type(self)(*(mine + its for mine, its in pairs))


@dataclass(frozen=True)
class Estimate:
    """Expectation values with their uncertainty.

    Attributes:
        values: (W, B, n) estimates of <Z_i>; mitigated ones may leave [-1, 1].
        standard_errors: (W, B, n); 0 where the answer is exact.
        cost: What it took.
    """

    values: FloatArray
    standard_errors: FloatArray
    cost: Cost

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape != self.standard_errors.shape:
            raise ValueError(
                f"values have shape {self.values.shape}, standard errors "
                f"{self.standard_errors.shape}: a backend must return (W, B, n) for both"
            )


class ExpectationBackend(Protocol):
    """Evaluates <Z_i> of one ring circuit."""

    @property
    def circuit(self) -> Ansatz:
        """The circuit this backend was opened for."""

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        """Evaluate every input under every weight set.

        Args:
            angles: (B, A) encoding angles in rad.
            weights: (W, P) trainable angles in rad.

        Returns:
            Values (W, B, n).
        """


Question = tuple[FloatArray, FloatArray]
"""Encoding angles (B, A) and weight sets (W, P), both in rad."""


@runtime_checkable
class JointBackend(ExpectationBackend, Protocol):
    """A backend that answers several questions in one go, such as one job with several PUBs."""

    def evaluate_jointly(self, questions: Sequence[Question]) -> list[Estimate]:
        """Evaluate each question; the costs of the estimates add up to that of the whole."""


@runtime_checkable
class DifferentiableBackend(ExpectationBackend, Protocol):
    """A backend that differentiates itself, for the rule `adjoint`."""

    def vjp(self, angles: FloatArray, weights: FloatArray, upstream: FloatArray) -> FloatArray:
        """Pull a gradient back to the weights.

        Args:
            angles: (B, A) in rad.
            weights: (P,) in rad.
            upstream: (B, n), the loss's derivative by <Z_i>.

        Returns:
            The loss's derivative by the weights (P,).
        """


def checked_shapes(
    circuit: Ansatz, angles: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return both arrays as float64, contiguous, after checking that they fit the circuit.

    Raises:
        ValueError: If a shape is wrong or a number is not finite.
    """
    for name, array, width in (
        ("angles", angles, circuit.num_angles),
        ("weights", weights, circuit.num_weights),
    ):
        if array.ndim != 2 or array.shape[1] != width or array.shape[0] == 0:
            raise ValueError(f"{name} have shape {array.shape}: need (rows, {width})")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} hold a number that is not finite")
    return (
        np.ascontiguousarray(angles, dtype=np.float64),
        np.ascontiguousarray(weights, dtype=np.float64),
    )
