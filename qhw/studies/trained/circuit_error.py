"""How far off noise brings what an arm's circuit measures, in the states that its policy visits."""

from __future__ import annotations

import numpy as np

from qhw.config import RunConfig
from qhw.files import make_folder, read_json, write_json
from qhw.runs.directory import RunDirectory
from qhw.studies.measured.visited_states import Policy
from qhw.studies.trained.outcomes import how_played, outcome_path
from qhw.threads import one_thread
from qhw.training.parts import make_backend, ring_circuit

MOST_STATES = 100
"""Visited states that are measured at most, each of an episode of its own."""


def circuit_error(run: RunDirectory, latents: int, played: RunConfig | None = None) -> float | None:
    """Recall or measure the mean of |<Z> - noiseless <Z>|, over states and qubits.

    It is that of the backend the run trains on, so with its mitigation, and with its shots where
    it takes any.

    Args:
        run: A finished training.
        latents: That a study plays; as many states, or `MOST_STATES`, are visited for this.
        played: Settings that it plays under, where they are others than its own.

    Returns:
        The error; None where the policy runs no circuit.

    Raises:
        CheckpointError: If the run has no weights.
    """
    config = played or run.config
    if config.actor.kind != "ring":
        return None
    states = min(latents, MOST_STATES)
    path = outcome_path(run, states, how_played(played)).with_suffix(".error.json")
    if not path.exists():
        make_folder(path.parent)
        write_json(path, {"error": _measured(run, config, states)})
    return float(read_json(path)["error"])


@one_thread()
def _measured(run: RunDirectory, config: RunConfig, states: int) -> float:
    visited = Policy(run, config).visit(states)
    backend = make_backend(config, ring_circuit(config.actor.circuit))
    noisy = backend.evaluate(visited["angles"], visited["weights"][None]).values[0]
    return float(np.abs(noisy - visited["ideal"]).mean())
