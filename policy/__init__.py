"""The controller and how it learns."""

from __future__ import annotations

from policy.actors import (
    Actor,
    ConfidenceRule,
    MlpActor,
    RingActor,
    ScheduleActor,
    count_parameters,
)
from policy.backend import Cost, DifferentiableBackend, Estimate, ExpectationBackend
from policy.circuit import RingCircuit
from policy.critic import Critic
from policy.diagnostics import advice
from policy.encoding import Encoder, StateScaler
from policy.gradients import (
    Adjoint,
    GradientRule,
    ParameterShift,
    PrunedShift,
    Spsa,
    expectations,
)
from policy.ppo import PAPER, PpoConfig, PpoDiagnostics, update
from policy.rollout import Rollout, gae

__all__ = [
    "PAPER",
    "Actor",
    "Adjoint",
    "ConfidenceRule",
    "Cost",
    "Critic",
    "DifferentiableBackend",
    "Encoder",
    "Estimate",
    "ExpectationBackend",
    "GradientRule",
    "MlpActor",
    "ParameterShift",
    "PpoConfig",
    "PpoDiagnostics",
    "PrunedShift",
    "RingActor",
    "RingCircuit",
    "Rollout",
    "ScheduleActor",
    "Spsa",
    "StateScaler",
    "advice",
    "count_parameters",
    "expectations",
    "gae",
    "update",
]
