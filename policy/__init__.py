"""The controller and how it learns.

state (N, F) -> encoding -> angles -> circuit on a backend -> <Z> (N, n) -> head -> mu, log sigma
actions -> rollout -> advantages -> PPO -> gradients of <Z>, measured on the same backend

Each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy.actors import Actor, MlpActor, RingActor, count_parameters
    from policy.agreement import Agreement, compare_gradients
    from policy.ansatz import Ansatz
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
        ModelGradient,
        ParameterShift,
        PrunedShift,
        Spsa,
        expectations,
    )
    from policy.measurement_noise import ShotNoise, shot_noise
    from policy.own_circuit import OwnCircuit
    from policy.ppo import MinibatchRecord, PpoConfig, PpoDiagnostics, UpdateProgress, update
    from policy.rollout import Rollout, gae

__all__ = [
    "Actor",
    "Adjoint",
    "Agreement",
    "Ansatz",
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
    "ModelGradient",
    "OwnCircuit",
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
    "compare_gradients",
    "count_parameters",
    "expectations",
    "gae",
    "shot_noise",
    "update",
]

# A name that a module has, too, would be that module as soon as somebody had imported it.
_NAMES = {
    "actors": "Actor MlpActor RingActor count_parameters",
    "agreement": "Agreement compare_gradients",
    "ansatz": "Ansatz",
    "backend": "Cost DifferentiableBackend Estimate ExpectationBackend JointBackend",
    "circuit": "RingCircuit",
    "critic": "Critic",
    "diagnostics": "advice",
    "encoding": "Encoder StateScaler",
    "gradients": "Adjoint Frozen GradientRule ModelGradient ParameterShift PrunedShift Spsa "
    "expectations",
    "measurement_noise": "ShotNoise shot_noise",
    "own_circuit": "OwnCircuit",
    "ppo": "MinibatchRecord PpoConfig PpoDiagnostics UpdateProgress update",
    "rollout": "Rollout gae",
}


def __getattr__(name: str) -> object:
    """Import a name of the face."""
    for module, names in _NAMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
