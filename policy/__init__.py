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
from policy.backend import (
    Cost,
    DifferentiableBackend,
    Estimate,
    ExpectationBackend,
    JointBackend,
)
from policy.circuit import RingCircuit
from policy.critic import Critic
from policy.diagnostics import advice
from policy.encoding import Encoder, StateScaler
from policy.gradients import (
    Adjoint,
    Frozen,
    GradientRule,
    ParameterShift,
    PrunedShift,
    Spsa,
    expectations,
)
from policy.ppo import PAPER, MinibatchRecord, PpoConfig, PpoDiagnostics, UpdateProgress, update
from policy.rollout import Rollout, gae
from policy.shot_noise import ShotNoise, shot_noise

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
    "Frozen",
    "GradientRule",
    "JointBackend",
    "MinibatchRecord",
    "MlpActor",
    "ParameterShift",
    "PpoConfig",
    "PpoDiagnostics",
    "PrunedShift",
    "RingActor",
    "RingCircuit",
    "Rollout",
    "ScheduleActor",
    "ShotNoise",
    "Spsa",
    "StateScaler",
    "UpdateProgress",
    "advice",
    "count_parameters",
    "expectations",
    "gae",
    "shot_noise",
    "update",
]
