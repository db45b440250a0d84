"""States a trained policy really visits: the noiseless policy played, one step of every episode.

Steps of one episode resemble each other, so one is drawn at random from each: states are then
independent, and an interval over latents is one over states.

data/visited/RUN-UPDATE-LATENTS.npz
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from policy.circuit import RingCircuit
from qhw.config import RunConfig
from qhw.runs.directory import RunDirectory
from qhw.studies.measured.conditions import NOISELESS, newest_update
from qhw.studies.measured.training_groups import subject
from qhw.studies.store import Arrays, FloatArray
from qhw.studies.study import Scope

if TYPE_CHECKING:
    from torch import Tensor

STUDY = "visited"
STEP_SEED = 6_421


@dataclass(frozen=True)
class VisitedStates:
    """N visited states, and what the noiseless policy does there.

    Attributes:
        angles: (N, A) encoding angles in rad.
        weights: (P,) trained weights in rad.
        ideal: (N, n) noiseless <Z_i>.
        mu: (N,) mean action.
        sigma: (N,) standard deviation of the action.
        guidance: (N,) guidance of the mean action, after clipping.
        sensitivity: (N, n) derivative of mu by each <Z_i>, at the ideal ones.
    """

    angles: FloatArray
    weights: FloatArray
    ideal: FloatArray
    mu: FloatArray
    sigma: FloatArray
    guidance: FloatArray
    sensitivity: FloatArray


@dataclass(frozen=True)
class Reactions:
    """What a policy's head makes of features (..., n).

    Attributes:
        mu: (...) mean action.
        sigma: (...).
        guidance: (...) of the mean action, after clipping.
    """

    mu: FloatArray
    sigma: FloatArray
    guidance: FloatArray


class Policy:
    """A trained policy on the noiseless circuit, with the environment it acts in.

    Args:
        run: A trained run of a ring actor.
        config: Settings that it plays under, where they are others than its own.
    """

    def __init__(self, run: RunDirectory, config: RunConfig | None = None) -> None:
        from policy import RingActor
        from qhw.studies.measured.playing import played_config
        from qhw.training.player import Player

        self.player = Player.of(run, played_config(config or run.config, NOISELESS))
        assert isinstance(self.player.actor, RingActor)
        self.actor = self.player.actor

    def react(self, features: FloatArray) -> Reactions:
        """Show the head features (..., n), such as noisy ones."""
        import torch

        rows = torch.from_numpy(features.reshape(-1, features.shape[-1])).float()
        with torch.no_grad():
            normal = self.actor.distribution_of(rows)
            guidance = self.player.environment.guidance_of(normal.mean)
        shape = features.shape[:-1]
        columns = (normal.mean, normal.stddev, guidance)
        return Reactions(*(_array(column).reshape(shape) for column in columns))

    def visit(self, count: int) -> Arrays:
        """Play episodes, and describe one state of each; see `VisitedStates`."""
        import torch

        states = self._states(count)
        with torch.no_grad():
            angles = _array(self.actor.encoder(states))
        weights = _array(self.actor.circuit_weights)
        ideal = self.actor.backend.evaluate(angles, weights[None]).values[0]
        reactions = self.react(ideal)
        return {
            "angles": angles,
            "weights": weights,
            "ideal": ideal,
            "mu": reactions.mu,
            "sigma": reactions.sigma,
            "guidance": reactions.guidance,
            "sensitivity": self._sensitivity(ideal),
        }

    def _states(self, count: int) -> Tensor:
        from qhw.evaluation.judges import evaluation_latents
        from qhw.evaluation.playing import play_policy
        from qhw.threads import for_pictures, one_thread

        with one_thread(), for_pictures():
            paired = evaluation_latents(self.player.bundle, count)
            episode = play_policy(self.player, paired, "visits")
        steps = np.random.default_rng(STEP_SEED).integers(len(episode.states), size=count)
        return episode.states[steps, np.arange(count)].cpu()

    def _sensitivity(self, features: FloatArray) -> FloatArray:
        import torch

        inputs = torch.from_numpy(features).float().requires_grad_()
        total = self.actor.distribution_of(inputs).mean.sum()
        (slopes,) = torch.autograd.grad(total, inputs)
        return _array(slopes)


def spread_of_inputs(run: RunDirectory, count: int) -> FloatArray:
    """Standard deviations (F,) of what a classical actor's head reads in its own episodes."""
    import torch

    from policy import MlpActor
    from qhw.evaluation.judges import evaluation_latents
    from qhw.evaluation.playing import play_policy
    from qhw.studies.measured.playing import played_config
    from qhw.threads import for_pictures, one_thread
    from qhw.training.player import Player

    player = Player.of(run, played_config(run.config, NOISELESS))
    assert isinstance(player.actor, MlpActor)
    with one_thread(), for_pictures(), torch.no_grad():
        episode = play_policy(player, evaluation_latents(player.bundle, count), "visits")
        inputs = player.actor.scaler(episode.states.flatten(0, 1))
    return _array(inputs.std(dim=0))


def subject_circuit(scope: Scope) -> RingCircuit:
    """The circuit that the report is about."""
    config = scope.runs[0].config.actor.circuit
    return RingCircuit(config.qubits, config.depth, config.encoding, config.entanglement)


def measured_key(scope: Scope, version: int, *sizes: int) -> str:
    """Identity of what was measured on the visited states, beside the device and the shots.

    Args:
        scope: What the report is about, and where it lies.
        version: Number of the files' columns as they are now.
        sizes: How much is measured, such as repetitions.
    """
    runs = [(run.id, newest_update(run)) for run in subject(scope.runs).runs]
    parts = [version, runs, scope.sizes.states, *sizes]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def acquire_states(scope: Scope) -> None:
    """Play every seed of the subject that was not played yet."""
    for run in subject(scope.runs).runs:
        measure = partial(_visit, run, scope.sizes.states)
        scope.store(STUDY).acquire(_file(scope, run), f"states that {run.name} visits", measure)


def _visit(run: RunDirectory, count: int) -> Arrays:
    return Policy(run).visit(count)


def read_states(scope: Scope) -> list[VisitedStates]:
    """What was visited, one entry per training seed.

    Raises:
        DataError: If it was not acquired yet.
    """
    files = [_file(scope, run) for run in subject(scope.runs).runs]
    return [VisitedStates(**scope.store(STUDY).arrays(file)) for file in files]


def _file(scope: Scope, run: RunDirectory) -> str:
    return f"{run.id}-{newest_update(run):05d}-{scope.sizes.states}.npz"


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
