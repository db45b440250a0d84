"""The controller and how it learns.

state (N, F) -> encoding -> angles -> circuit on a backend -> <Z> (N, n) -> head -> mu, sigma
actions -> rollout -> advantages -> PPO -> gradients of <Z>, measured on the same backend
"""

from __future__ import annotations

from policy.actors import Actor, MlpActor, RingActor, count_parameters
from policy.backend import Cost, DifferentiableBackend, Estimate, ExpectationBackend, JointBackend
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
from policy.ppo import MinibatchRecord, PpoConfig, PpoDiagnostics, UpdateProgress, update
from policy.rollout import Rollout, gae
from policy.shot_noise import ShotNoise, shot_noise

__all__ = [
    "Actor",
    "Adjoint",
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
