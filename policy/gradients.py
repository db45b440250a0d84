"""Gradients of <Z> measured on the backend, behind one interface, bridged to torch once.

Every rule returns the vector-Jacobian product sum_{b,i} upstream[b, i] d<Z_i>(b) / d parameter.

* parameter shift (Mitarai et al., arXiv 1803.00745): exact for a rotation with its own parameter,
  d<Z>/dw = (<Z>(w + pi/2) - <Z>(w - pi/2)) / 2.
* pruned shift: a random fraction of the weights, scaled up so that its mean is the full gradient.
* SPSA (Spall 1992): two evaluations along one random direction of signs.
* adjoint: the backend's own derivative.
* model: the derivative of a model of the backend; only values are measured.
* frozen: none; the circuit stays as it is, and nothing is evaluated for it.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from policy.backend import (
    Cost,
    DifferentiableBackend,
    ExpectationBackend,
    FloatArray,
    JointBackend,
    Question,
)

SHIFT = math.pi / 2
Recorder = Callable[[str, Cost], None]
"""Hears the phase (`forward`, `weights` or `angles`) and the cost of every evaluation."""


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
            backend: Evaluates.
            angles: (B, A) in rad.
            weights: (P,) in rad.
            upstream: (B, n).
        """


Read = Callable[[FloatArray, FloatArray], FloatArray]
"""Turns values (W, B, n) and the upstream gradient (B, n) into a gradient (P,)."""


class MeasuredRule(ABC):
    """A rule that asks for values at other weights, and reads the gradient from them."""

    @abstractmethod
    def ask(self, weights: FloatArray) -> tuple[FloatArray, Read]:
        """The weight sets (W, P) to evaluate around weights (P,), and how to read the answer."""

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """See `GradientRule`."""
        sets, read = self.ask(weights)
        estimate = backend.evaluate(angles, sets)
        return Gradients(read(estimate.values, upstream), estimate.cost)


@dataclass(frozen=True)
class ParameterShift(MeasuredRule):
    """All 2P shifted weight sets in one evaluation."""

    name: str = "shift"

    def ask(self, weights: FloatArray) -> tuple[FloatArray, Read]:
        """See `MeasuredRule`."""
        return _shifts(weights, np.arange(len(weights)), 1.0)


@dataclass(frozen=True)
class PrunedShift(MeasuredRule):
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

    def ask(self, weights: FloatArray) -> tuple[FloatArray, Read]:
        """See `MeasuredRule`."""
        total = len(weights)
        count = max(1, round(self.fraction * total))
        chosen = np.sort(self.generator.choice(total, size=count, replace=False))
        return _shifts(weights, chosen, total / count)


@dataclass(frozen=True)
class Spsa(MeasuredRule):
    """Simultaneous perturbation along random signs.

    Its mean is the gradient but for terms of the step's square: at .1 it is .94 of it for 32
    weights and .86 for 64, at .03 .996 and .98. A smaller step scatters more under shots, as
    1 / step.

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

    def ask(self, weights: FloatArray) -> tuple[FloatArray, Read]:
        """See `MeasuredRule`."""
        signs = self.generator.choice([-1.0, 1.0], size=len(weights))
        move = self.step * signs

        def read(values: FloatArray, upstream: FloatArray) -> FloatArray:
            slope = _weighted_difference(values, upstream)[0] / (2 * self.step)
            gradient: FloatArray = slope * signs
            return gradient

        return np.stack([weights + move, weights - move]), read


def _shifts(
    weights: FloatArray, chosen: np.ndarray[Any, np.dtype[np.intp]], scale: float
) -> tuple[FloatArray, Read]:
    """The chosen weights shifted both ways, one at a time; their gradient is scaled."""
    moves = SHIFT * np.eye(len(weights))[chosen]

    def read(values: FloatArray, upstream: FloatArray) -> FloatArray:
        gradient = np.zeros_like(weights)
        gradient[chosen] = scale * _weighted_difference(values, upstream) / 2
        return gradient

    return np.concatenate([weights + moves, weights - moves]), read


def _weighted_difference(values: FloatArray, upstream: FloatArray) -> FloatArray:
    """First half of the weight sets minus the second, weighted by the upstream gradient."""
    plus, minus = np.split(values, 2)
    difference: FloatArray = np.einsum("wbi,bi->w", plus - minus, upstream)
    return difference


@dataclass(frozen=True)
class Frozen:
    """No rule: the circuit is not trained, and its values are measured once per state."""

    name: str = "frozen"

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """Refuse.

        Raises:
            ValueError: Always; a frozen circuit's weights do not require a gradient.
        """
        raise ValueError("the circuit is frozen: its weights must not require a gradient")


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


@dataclass(frozen=True)
class ModelGradient:
    """The derivative of a model of the backend; nothing is measured for it.

    It is as true as the model: what a calibration does not publish, such as coherent errors, is
    missing in it. `policy.agreement` compares it with a measured one.

    Attributes:
        opened: Gives the model under the backend's present calibration, for the same circuit.
    """

    opened: Callable[[], DifferentiableBackend]
    name: str = "model"

    def weight_gradient(
        self,
        backend: ExpectationBackend,
        angles: FloatArray,
        weights: FloatArray,
        upstream: FloatArray,
    ) -> Gradients:
        """See `GradientRule`; the backend is not asked."""
        return Adjoint().weight_gradient(self.opened(), angles, weights, upstream)

    def values(self, angles: FloatArray, weights: FloatArray) -> FloatArray:
        """The model's <Z> (B, n) for angles (B, A) and weights (P,), both in rad."""
        values: FloatArray = self.opened().evaluate(angles, weights[None]).values[0]
        return values


def angle_gradient(
    backend: ExpectationBackend, angles: FloatArray, weights: FloatArray, upstream: FloatArray
) -> tuple[FloatArray, Cost]:
    """Differentiate by the encoding angles with the shift rule: 2AB rows, one weight set.

    Returns:
        (B, A), and the cost.
    """
    estimate = backend.evaluate(*_angle_question(angles, weights))
    return _read_angles(estimate.values, upstream, angles.shape), estimate.cost


def _angle_question(angles: FloatArray, weights: FloatArray) -> Question:
    rows, width = angles.shape
    moves = SHIFT * np.concatenate([np.eye(width), -np.eye(width)])
    shifted = (angles[None] + moves[:, None]).reshape(2 * width * rows, width)
    return shifted, weights[None]


def _read_angles(values: FloatArray, upstream: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    rows, width = shape
    plus, minus = values.reshape(2, width, rows, -1)
    gradient: FloatArray = np.einsum("abi,bi->ba", (plus - minus) / 2, upstream)
    return gradient


def expectations(
    angles: Tensor,
    weights: Tensor,
    backend: ExpectationBackend,
    rule: GradientRule,
    recorder: Recorder | None = None,
    known: Tensor | None = None,
) -> Tensor:
    """Evaluate <Z> with gradients that torch can use.

    Rows whose upstream gradient is exactly zero are left out of the gradient's evaluations, and
    angles are differentiated only if they require it.

    Args:
        angles: (B, A) in rad.
        weights: (P,) in rad.
        backend: Evaluates.
        rule: Differentiates by the weights.
        recorder: Hears what every evaluation cost.
        known: (B, n) values that were measured already; then only gradients are evaluated.

    Returns:
        (B, n), of the weights' type.
    """
    values: Tensor = _Expectations.apply(
        angles, weights, backend, rule, recorder or (lambda _phase, _cost: None), known
    )
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
        known: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(angles, weights)
        ctx.backend, ctx.rule, ctx.recorder = backend, rule, recorder
        if known is not None:
            return known.detach().to(weights)
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
        if rows.size:
            gradients, turned = _measure(ctx, _array(angles)[rows], _array(weights), upstream[rows])
            if by_weights is not None:
                by_weights += torch.from_numpy(gradients).to(weights)
            if by_angles is not None:
                by_angles[torch.from_numpy(rows)] = torch.from_numpy(turned).to(angles)
        return by_angles, by_weights, None, None, None, None


def _measure(
    ctx: Any, angles: FloatArray, weights: FloatArray, upstream: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The wanted gradients (P,) and (B, A), in one call where the backend can; else empty."""
    wants_angles, wants_weights = ctx.needs_input_grad[:2]
    by_weights: FloatArray = np.empty(0)
    by_angles: FloatArray = np.empty(0)
    joint = isinstance(ctx.backend, JointBackend) and isinstance(ctx.rule, MeasuredRule)
    if wants_weights and wants_angles and joint:
        sets, read = ctx.rule.ask(weights)
        questions = [(angles, sets), _angle_question(angles, weights)]
        shifted, turned = ctx.backend.evaluate_jointly(questions)
        by_weights = read(shifted.values, upstream)
        by_angles = _read_angles(turned.values, upstream, angles.shape)
        ctx.recorder("weights", shifted.cost)
        ctx.recorder("angles", turned.cost)
        return by_weights, by_angles
    if wants_weights:
        gradients = ctx.rule.weight_gradient(ctx.backend, angles, weights, upstream)
        ctx.recorder("weights", gradients.cost)
        by_weights = gradients.weights
    if wants_angles:
        turned = ctx.rule.opened() if isinstance(ctx.rule, ModelGradient) else ctx.backend
        by_angles, cost = angle_gradient(turned, angles, weights, upstream)
        ctx.recorder("angles", cost)
    return by_weights, by_angles


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
