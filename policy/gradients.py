"""Gradients of <Z> measured on the backend, behind one interface, bridged to torch once.

Every rule returns the vector-Jacobian product sum_{b,i} upstream[b, i] d<Z_i>(b) / d parameter.

* parameter shift (Mitarai et al., arXiv 1803.00745): exact for a rotation with its own parameter,
  d<Z>/dw = (<Z>(w + pi/2) - <Z>(w - pi/2)) / 2.
* pruned shift: a random fraction of the weights, scaled up so that its mean is the full gradient.
* SPSA (Spall 1992): two evaluations along one random direction of signs.
* adjoint: the backend's own derivative.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from policy.backend import (
    Cost,
    DifferentiableBackend,
    Estimate,
    ExpectationBackend,
    FloatArray,
)

SHIFT = math.pi / 2
Recorder = Callable[[str, Cost], None]
"""Told the phase (`forward`, `weights` or `angles`) and the cost of every evaluation."""


@dataclass(frozen=True)
class Gradients:
    """A vector-Jacobian product.

    Attributes:
        weights: (P,).
        cost: What the evaluations took.
    """

    weights: FloatArray
    cost: Cost


class GradientRule(Protocol):
    """How the circuit's weights are differentiated."""

    @property
    def name(self) -> str:
        """Name in configurations and records."""

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """Differentiate by the weights.

        Args:
            backend: Is evaluated.
            angles: (B, A) in rad.
            weights: (P,) in rad.
            upstream: (B, n).
        """


@dataclass(frozen=True)
class ParameterShift:
    """All 2P shifted weight sets in one evaluation."""

    name: str = "shift"

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """See `GradientRule`."""
        return _shift(backend, angles, weights, upstream, np.arange(len(weights)))


@dataclass(frozen=True)
class PrunedShift:
    """Shift a fresh random subset of the weights each time; unbiased.

    Attributes:
        fraction: Share of the weights, in (0, 1].
        generator: Draws the subset.
    """

    fraction: float
    generator: np.random.Generator
    name: str = "pruned"

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction is {self.fraction}: choose a number in (0, 1]")

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """See `GradientRule`."""
        total = len(weights)
        count = max(1, round(self.fraction * total))
        chosen = np.sort(self.generator.choice(total, size=count, replace=False))
        gradients = _shift(backend, angles, weights, upstream, chosen)
        return Gradients(gradients.weights * (total / count), gradients.cost)


@dataclass(frozen=True)
class Spsa:
    """Simultaneous perturbation along random signs.

    Attributes:
        generator: Draws the signs.
        step: Half the distance of the two evaluations, in rad, > 0.
    """

    generator: np.random.Generator
    step: float = 0.1
    name: str = "spsa"

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"step is {self.step}: choose a number > 0")

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """See `GradientRule`."""
        signs = self.generator.choice([-1.0, 1.0], size=len(weights))
        move = self.step * signs
        estimate = backend.evaluate(angles, np.stack([weights + move, weights - move]))
        slope = _weighted_difference(estimate, upstream)[0] / (2 * self.step)
        return Gradients(slope * signs, estimate.cost)


@dataclass(frozen=True)
class Adjoint:
    """The backend's own derivative."""

    name: str = "adjoint"

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """See `GradientRule`.

        Raises:
            ValueError: If the backend cannot differentiate itself.
        """
        if not isinstance(backend, DifferentiableBackend):
            raise ValueError(
                f"{type(backend).__name__} cannot differentiate itself: take the rule 'shift'"
            )
        started = time.perf_counter()
        gradient = backend.vjp(angles, weights, upstream)
        return Gradients(gradient, Cost(seconds=time.perf_counter() - started))


def angle_gradient(
    backend: ExpectationBackend,
    angles: FloatArray,
    weights: FloatArray,
    upstream: FloatArray,
) -> tuple[FloatArray, Cost]:
    """Differentiate by the encoding angles with the shift rule: 2AB rows, one weight set.

    Returns:
        (B, A), and the cost.
    """
    rows, width = angles.shape
    moves = SHIFT * np.concatenate([np.eye(width), -np.eye(width)])
    shifted = (angles[None] + moves[:, None]).reshape(2 * width * rows, width)
    estimate = backend.evaluate(shifted, weights[None])
    values = estimate.values.reshape(2, width, rows, -1)
    gradient: FloatArray = np.einsum("abi,bi->ba", (values[0] - values[1]) / 2, upstream)
    return gradient, estimate.cost


def expectations(
    angles: Tensor,
    weights: Tensor,
    backend: ExpectationBackend,
    rule: GradientRule,
    recorder: Recorder | None = None,
) -> Tensor:
    """Evaluate <Z> with gradients that torch can use.

    Rows whose upstream gradient is exactly zero are left out of the gradient's evaluations, and
    angles are differentiated only if they require it.

    Args:
        angles: (B, A) in rad.
        weights: (P,) in rad.
        backend: Evaluates.
        rule: Differentiates by the weights.
        recorder: Is told what every evaluation cost.

    Returns:
        (B, n), of the weights' type.
    """
    values: Tensor = _Expectations.apply(angles, weights, backend, rule, recorder or _ignore)
    return values


class _Expectations(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        angles: Tensor,
        weights: Tensor,
        backend: ExpectationBackend,
        rule: GradientRule,
        recorder: Recorder,
    ) -> Tensor:
        ctx.save_for_backward(angles, weights)
        ctx.backend, ctx.rule, ctx.recorder = backend, rule, recorder
        estimate = backend.evaluate(_array(angles), _array(weights)[None])
        recorder("forward", estimate.cost)
        return torch.from_numpy(estimate.values[0]).to(weights)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        angles, weights = ctx.saved_tensors
        upstream = _array(outputs[0])
        rows = np.flatnonzero(upstream.any(axis=1))
        wants_angles, wants_weights = ctx.needs_input_grad[:2]
        by_angles = torch.zeros_like(angles) if wants_angles else None
        by_weights = torch.zeros_like(weights) if wants_weights else None
        arguments = (ctx.backend, _array(angles)[rows], _array(weights), upstream[rows])
        if by_weights is not None and rows.size:
            gradients = ctx.rule.weight_gradient(*arguments)
            ctx.recorder("weights", gradients.cost)
            by_weights += torch.from_numpy(gradients.weights).to(weights)
        if by_angles is not None and rows.size:
            gradient, cost = angle_gradient(*arguments)
            ctx.recorder("angles", cost)
            by_angles[torch.from_numpy(rows)] = torch.from_numpy(gradient).to(angles)
        return by_angles, by_weights, None, None, None


def _shift(
    backend: ExpectationBackend,
    angles: FloatArray,
    weights: FloatArray,
    upstream: FloatArray,
    chosen: np.ndarray[Any, np.dtype[np.intp]],
) -> Gradients:
    moves = SHIFT * np.eye(len(weights))[chosen]
    estimate = backend.evaluate(angles, np.concatenate([weights + moves, weights - moves]))
    gradient = np.zeros_like(weights)
    gradient[chosen] = _weighted_difference(estimate, upstream) / 2
    return Gradients(gradient, estimate.cost)


def _weighted_difference(estimate: Estimate, upstream: FloatArray) -> FloatArray:
    """First half of the weight sets minus the second, weighted by the upstream gradient."""
    plus, minus = np.split(estimate.values, 2)
    difference: FloatArray = np.einsum("wbi,bi->w", plus - minus, upstream)
    return difference


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array


def _ignore(_phase: str, _cost: Cost) -> None:
    """Keep no record."""
