"""Controllers of the guidance, quantum and classical, behind one interface.

An actor turns states (N, F) into actions; the environment adds the base guidance and clips.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from policy.ansatz import stands_for
from policy.backend import ExpectationBackend
from policy.circuit import RingCircuit
from policy.encoding import DENSE_ORDER, Encoder, StateScaler
from policy.gradients import GradientRule, ModelGradient, Recorder, expectations

Sigma = Literal["state", "shared"]
"""Whether sigma depends on the state, as in the paper, or is one number for all states."""
LOG_SIGMA_RANGE = (-3.0, 0.5)
INITIAL_SIGMA = 0.6
HEAD_HIDDEN, MLP_HIDDEN = (64, 32), (128, 64)
MATCHED_PARAMETERS, MATCHED_HIDDEN = 2498, 53
"""Of the MLP that is as large as the default ring: all parameters, and its first hidden layer."""


class Actor(nn.Module, ABC):
    """A stochastic controller a ~ N(mu, sigma^2).

    Attributes:
        head: Gives mu and log sigma (N, 2) of what it reads (N, n): features, or the state.
    """

    head: nn.Sequential

    @abstractmethod
    def parameters_of(self, state: Tensor) -> Tensor:
        """Raw head output (N, 2): mu and log sigma, the latter not clamped yet."""

    def distribution(self, state: Tensor) -> Normal:
        """Distribution of the unclipped actions (N,) for states (N, F)."""
        return _normal(self.parameters_of(state))

    def action_mean(self, state: Tensor) -> Tensor:
        """Deterministic action mu (N,), not clipped."""
        return self.parameters_of(state)[:, 0]


class RingActor(Actor):
    """The paper's actor: encoding, ring circuit, head n -> 64 -> 32 -> 2 with ReLU.

        (mu, log sigma) = head(<Z>(state)),    a ~ N(mu, sigma^2)

    Args:
        circuit: The ansatz; 4 qubits and depth 2 give 2,498 parameters.
        backend: Evaluates <Z>; opened for the same circuit, or for one that `stands_for` it.
        rule: Differentiates by the circuit's weights.
        scaler: Standardises the state.
        generator: Draws circuit weights uniformly in [-pi, pi], and the head.
        order: The state's columns in slot order; see `Encoder`.
        sigma: What sigma depends on.
        hidden: Widths of the head's hidden layers; () is one linear layer n -> 2.

    Raises:
        ValueError: If the backend was opened for another circuit, or the state does not fit it.
    """

    def __init__(
        self,
        circuit: RingCircuit,
        backend: ExpectationBackend,
        rule: GradientRule,
        scaler: StateScaler,
        generator: torch.Generator,
        order: Sequence[int] = DENSE_ORDER,
        sigma: Sigma = "shared",
        hidden: Sequence[int] = HEAD_HIDDEN,
    ) -> None:
        super().__init__()
        if not stands_for(backend.circuit, circuit):
            raise ValueError(f"the backend holds {backend.circuit}, the actor {circuit}: open anew")
        self.encoder = Encoder(circuit, scaler, generator, order)
        uniform = torch.rand(circuit.num_weights, generator=generator)
        self.circuit_weights = nn.Parameter((2 * uniform - 1) * math.pi)
        self.head = _perceptron((circuit.num_qubits, *hidden, 2), generator, sigma)
        self.backend = backend
        self.rule = rule
        self.recorder: Recorder | None = None

    def freeze_circuit(self) -> None:
        """Train the head alone: nothing up to <Z> requires a gradient any more."""
        self.circuit_weights.requires_grad_(False)
        self.encoder.requires_grad_(False)

    def features(self, state: Tensor, known: Tensor | None = None) -> Tensor:
        """Measured <Z_i> (N, n) for states (N, F); `known` ones are not measured again."""
        return expectations(
            self.encoder(state), self.circuit_weights, self.backend, self.rule, self.recorder, known
        )

    @torch.no_grad()
    def measure(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Features and their standard errors (N, n) for states (N, F), without a gradient."""
        angles = self.encoder(state).cpu().double().numpy()
        weights = self.circuit_weights.cpu().double().numpy()
        estimate = self.backend.evaluate(angles, weights[None])
        if self.recorder is not None:
            self.recorder("forward", estimate.cost)
        features = torch.from_numpy(estimate.values[0]).to(self.circuit_weights)
        return features, torch.from_numpy(estimate.standard_errors[0]).to(self.circuit_weights)

    @torch.no_grad()
    def modelled(self, state: Tensor) -> Tensor:
        """What the rule's model says of the features (N, n) under the present weights.

        Raises:
            ValueError: If the gradient rule has no model.
        """
        if not isinstance(self.rule, ModelGradient):
            raise ValueError(f"the rule {self.rule.name!r} has no model: only 'model' has")
        angles = self.encoder(state).cpu().double().numpy()
        weights = self.circuit_weights.cpu().double().numpy()
        return torch.from_numpy(self.rule.values(angles, weights)).to(self.circuit_weights)

    def distribution_of(self, features: Tensor) -> Normal:
        """Distribution of the unclipped actions (N,) for features (N, n)."""
        return _normal(self.head(features))

    def parameters_of(self, state: Tensor) -> Tensor:
        """See `Actor`."""
        output: Tensor = self.head(self.features(state))
        return output

    def split_distribution(
        self, state: Tensor, known: Tensor | None = None
    ) -> tuple[Normal, Tensor]:
        """The distribution, and sigma (N,) once more without a path into the circuit.

        The second lets an entropy bonus train the head alone, at no further evaluation.
        """
        features = self.features(state, known)
        attached, detached = self.head(features), self.head(features.detach())
        sigma = detached[:, 1].clamp(*LOG_SIGMA_RANGE).exp()
        return _normal(attached), sigma


class MlpActor(Actor):
    """The paper's classical actor F -> 128 -> 64 -> 2, on the same features (9,282 for six).

    Args:
        scaler: Standardises the state.
        generator: Draws the weights.
        hidden: Widths of the hidden layers.
        sigma: What sigma depends on.
    """

    def __init__(
        self,
        scaler: StateScaler,
        generator: torch.Generator,
        hidden: Sequence[int] = MLP_HIDDEN,
        sigma: Sigma = "shared",
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.head = _perceptron((scaler.num_features, *hidden, 2), generator, sigma)

    @classmethod
    def matched(
        cls, scaler: StateScaler, generator: torch.Generator, sigma: Sigma = "shared"
    ) -> Self:
        """An MLP with as many parameters as the default ring actor, within 2 %."""
        inputs, first = scaler.num_features, MATCHED_HIDDEN
        # (F + 1) h + (h + 1) h' + 2 (h' + 1) parameters, solved for the second hidden layer h'.
        second = round((MATCHED_PARAMETERS - 2 - (inputs + 1) * first) / (first + 3))
        return cls(scaler, generator, (first, second), sigma)

    def parameters_of(self, state: Tensor) -> Tensor:
        """See `Actor`."""
        output: Tensor = self.head(self.scaler(state))
        return output


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def _normal(raw: Tensor) -> Normal:
    mu, log_sigma = raw.unbind(dim=1)
    return Normal(mu, log_sigma.clamp(*LOG_SIGMA_RANGE).exp(), validate_args=False)


class OutputLayer(nn.Linear):
    """The last layer: mu and log sigma; a shared sigma is its bias, and its weights stay 0."""

    def __init__(self, inputs: int, sigma: Sigma) -> None:
        super().__init__(inputs, 2)
        self.sigma = sigma

    def forward(self, hidden: Tensor) -> Tensor:
        """Raw output (N, 2) for the last hidden layer (N, H)."""
        raw = super().forward(hidden)
        if self.sigma == "state":
            return raw
        return torch.stack([raw[:, 0], self.bias[1].expand(len(raw))], dim=1)


def _perceptron(widths: tuple[int, ...], generator: torch.Generator, sigma: Sigma) -> nn.Sequential:
    """Fully connected layers with ReLU; the last starts at mu = 0 and sigma = INITIAL_SIGMA."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        last = len(layers) == 2 * len(widths) - 4
        linear = OutputLayer(before, sigma) if last else nn.Linear(before, after)
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    layers.pop()
    output = layers[-1]
    assert isinstance(output, OutputLayer)
    nn.init.zeros_(output.weight)
    with torch.no_grad():
        output.bias.copy_(torch.tensor([0.0, math.log(INITIAL_SIGMA)]))
    return nn.Sequential(*layers)
