from __future__ import annotations

import numpy as np
import pytest

from qhw.config import merge, parse_config
from qhw.studies.measured.visited_states import Policy
from qhw.studies.trained.circuit_error import circuit_error
from qhw.training.parts import make_backend, ring_circuit
from tests.qhw.studies.conftest import Train, tiny_settings

NOISY = {"name": "aer_noisy", "device": "fake_fez"}


def test_it_is_that_of_the_backend_that_trains_and_grows_with_its_noise(
    trained_tiny: Train,
) -> None:
    run = trained_tiny("error", backend=NOISY)
    visited = Policy(run).visit(30)
    backend = make_backend(run.config, ring_circuit(run.config.actor.circuit))
    noisy = backend.evaluate(visited["angles"], visited["weights"][None]).values[0]
    found = circuit_error(run, 30)
    assert found is not None
    assert found == pytest.approx(np.abs(noisy - visited["ideal"]).mean())
    assert 0.001 < found < 0.2
    louder = trained_tiny("louder error", backend={**NOISY, "noise_scale": 3.0})
    assert (circuit_error(louder, 30) or 0) > 2 * found
    kept = min((run.path / "outcomes").glob("*.error.json"))
    written = kept.stat().st_mtime_ns
    assert circuit_error(run, 30) == found
    assert kept.stat().st_mtime_ns == written, "measured once"


def test_a_policy_without_a_circuit_has_none(trained_tiny: Train) -> None:
    assert circuit_error(trained_tiny("no circuit", actor={"kind": "mlp"}), 30) is None


def test_where_it_plays_otherwise_other_states_are_measured(trained_tiny: Train) -> None:
    run = trained_tiny("error", backend=NOISY)
    own = circuit_error(run, 30)
    longer = parse_config(merge(tiny_settings({"backend": NOISY}), {"environment": {"steps": 6}}))
    other = circuit_error(run, 30, longer)
    assert other is not None and other != own
    assert len([*(run.path / "outcomes").glob("*.error.json")]) == 2
    assert circuit_error(run, 30) == own
