from __future__ import annotations

import numpy as np
import pytest

from qhw.studies.measured.visited_states import Policy
from qhw.studies.trained.circuit_error import STATES, circuit_error
from qhw.training.parts import make_backend, ring_circuit
from tests.qhw.studies.conftest import Train

NOISY = {"name": "aer_noisy", "device": "fake_fez"}


def test_it_is_that_of_the_backend_that_trains_and_grows_with_its_noise(
    trained_tiny: Train,
) -> None:
    run = trained_tiny("error", backend=NOISY)
    visited = Policy(run).visit(STATES)
    backend = make_backend(run.config, ring_circuit(run.config.actor.circuit))
    noisy = backend.evaluate(visited["angles"], visited["weights"][None]).values[0]
    found = circuit_error(run)
    assert found is not None
    assert found == pytest.approx(np.abs(noisy - visited["ideal"]).mean())
    assert 0.001 < found < 0.2
    louder = trained_tiny("louder error", backend={**NOISY, "noise_scale": 3.0})
    assert (circuit_error(louder) or 0) > 2 * found
    (kept,) = (run.path / "outcomes").glob("*.error.json")
    written = kept.stat().st_mtime_ns
    assert circuit_error(run) == found
    assert kept.stat().st_mtime_ns == written, "measured once"


def test_a_policy_without_a_circuit_has_none(trained_tiny: Train) -> None:
    assert circuit_error(trained_tiny("no circuit", actor={"kind": "mlp"})) is None
