"""Whether a model's gradient is the one that is measured: the canary of the rule `model`.

A few transitions are differentiated both ways. Their gradients by the weights, g measured by the
shift rule and m of the model, are compared by

    cosine = g.m / (|g| |m|),    length = |g| / |m|.

Shots add to |g|^2 what they scatter, sum_k var(g_k); it is taken off again, or a cosine would be
the smaller the fewer the shots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from policy.actors import RingActor
from policy.backend import ExpectationBackend, FloatArray
from policy.gradients import Gradients, ModelGradient, ParameterShift
from policy.ppo import PpoConfig, normalised_advantages, surrogate_loss, take_transitions
from policy.rollout import Rollout

DRAWS = 2_000
INTERVAL = (2.5, 97.5)
"""Percentiles of a 95 % interval."""


@dataclass(frozen=True)
class Agreement:
    """How well a model's gradient agrees with the measured one.

    Attributes:
        cosine: Of the two, in [-1, 1].
        low: Lower end of its 95 % interval, of the shots alone.
        high: Upper end.
        length: Measured length over the model's.
        transitions: Differentiated both ways.
        circuits: That it took.
    """

    cosine: float
    low: float
    high: float
    length: float
    transitions: int
    circuits: int

    @property
    def phrase(self) -> str:
        """For people."""
        return (
            f"the gradient measured on {self.transitions} transitions has cosine "
            f"{self.cosine:.2f} [{self.low:.2f}, {self.high:.2f}] with the model's, and "
            f"{self.length:.2f} of its length"
        )


def compare_gradients(
    actor: RingActor,
    rollout: Rollout,
    config: PpoConfig,
    transitions: int,
    generator: np.random.Generator,
) -> Agreement | None:
    """Differentiate the policy's loss on a few transitions by the model and by the shift rule.

    Args:
        actor: As it was in the rollout; its rule is `model`, and nothing of it is changed.
        rollout: Whole episodes.
        config: Settings of the update.
        transitions: How many are drawn.
        generator: Draws them, and the interval.

    Returns:
        None where no gradient reaches the circuit, as in the first update of fresh weights.
    """
    rule = actor.rule
    if not isinstance(rule, ModelGradient):
        raise ValueError(f"the rule {rule.name!r} has no model to compare with")
    chosen = np.sort(generator.choice(rollout.size, min(transitions, rollout.size), replace=False))
    states, upstream = _upstream(actor, rollout, config, torch.from_numpy(chosen))
    if not upstream.any():
        return None
    angles = actor.encoder(states).detach().cpu().double().numpy()
    weights = actor.circuit_weights.detach().cpu().double().numpy()
    modelled = rule.weight_gradient(actor.backend, angles, weights, upstream).weights
    measured = measured_gradient(actor.backend, angles, weights, upstream)
    if actor.recorder is not None:
        actor.recorder("canary", measured.cost)
    found = agreement(modelled, measured.weights, measured.errors, generator)
    return replace(found, transitions=len(chosen), circuits=measured.cost.circuits)


@dataclass(frozen=True)
class MeasuredGradient(Gradients):
    """A vector-Jacobian product with its standard errors (P,), which are the shots'."""

    errors: FloatArray


def measured_gradient(
    backend: ExpectationBackend, angles: FloatArray, weights: FloatArray, upstream: FloatArray
) -> MeasuredGradient:
    """The shift rule's gradient; arguments as for `GradientRule.weight_gradient`."""
    sets, read = ParameterShift().ask(weights)
    estimate = backend.evaluate(angles, sets)
    variances = np.square(np.stack(np.split(estimate.standard_errors, 2))).sum(axis=0) / 4
    errors = np.sqrt(np.einsum("wbi,bi->w", variances, np.square(upstream)))
    return MeasuredGradient(read(estimate.values, upstream), estimate.cost, errors)


def _upstream(
    actor: RingActor, rollout: Rollout, config: PpoConfig, chosen: Tensor
) -> tuple[Tensor, FloatArray]:
    """States (M, F), and the derivative (M, n) of the policy's loss by what was measured there."""
    if rollout.features is None:
        raise ValueError("the rollout holds no features: nothing was measured")
    features = rollout.features.flatten(0, 1)[chosen].clone().requires_grad_()
    advantages, targets = normalised_advantages(rollout, config)
    part = take_transitions(rollout, advantages, targets, chosen, features)
    loss, _ = surrogate_loss(actor.distribution_of(features), part, config.clip)
    (gradient,) = torch.autograd.grad(loss, features)
    upstream: FloatArray = gradient.cpu().double().numpy()
    return part.states, upstream


def agreement(
    modelled: FloatArray, measured: FloatArray, errors: FloatArray, generator: np.random.Generator
) -> Agreement:
    """Compare two gradients (P,), the second with standard errors (P,).

    The interval is of a parametric bootstrap: the measurement drawn again, with its errors.
    """
    again = measured + errors * generator.standard_normal((DRAWS, len(measured)))
    scatter = float(np.square(errors).sum())
    cosine, length = _compared(modelled, measured[None], scatter)
    # What is drawn again scatters twice: as it was measured, and as it is drawn.
    low, high = np.percentile(_compared(modelled, again, 2 * scatter)[0], INTERVAL)
    return Agreement(float(cosine[0]), float(low), float(high), float(length[0]), 0, 0)


def _compared(
    modelled: FloatArray, measured: FloatArray, scatter: float
) -> tuple[FloatArray, FloatArray]:
    """Cosines and lengths (K,) of measured gradients (K, P) that shots lengthen by `scatter`."""
    norm = np.linalg.norm(modelled)
    along = measured @ modelled / norm
    # No gradient is shorter than its part along another, so a cosine stays in [-1, 1].
    length = np.sqrt(np.maximum(np.square(measured).sum(axis=1) - scatter, np.square(along)))
    return along / np.maximum(length, np.finfo(float).tiny), length / norm
