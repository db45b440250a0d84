"""The parameter-shift gradient under noise and shots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from policy import ParameterShift, RingCircuit
from qhw.backends.opening import open_backend
from qhw.studies.finding import read_finding, write_finding
from qhw.studies.gradients import (
    Gradients,
    Point,
    Quality,
    _angles,
    _by_depth,
    _gradients,
    _path,
    _Question,
    _verdict,
    points_of,
    quality_of,
)
from qhw.studies.statistics import hierarchical_bootstrap
from qhw.studies.study import read_arrays
from tests.qhw.studies.tiny import SHOTS, Acquired, acquired, nothing_opens, small_studies

__all__ = ["acquired", "nothing_opens", "small_studies"]


def test_known_facts_hold(acquired: Acquired) -> None:
    scope = acquired("gradients", 1)
    for point in points_of(scope):
        found = [quality_of(read_arrays(_path(scope, point, shots))) for shots in SHOTS]
        cosine = [each.cosine.mean() for each in found]
        assert cosine[0] < cosine[1] < cosine[2] and cosine[3] > 0.95
        ratio = np.sqrt(found[0].scatter.mean() / found[2].scatter.mean())
        assert ratio == pytest.approx(16, rel=0.35)  # 256 times the shots
        assert found[3].scatter.max() == 0


def test_quality_by_hand() -> None:
    ideal = np.array([[[3.0, 4.0]]])
    measured = np.array([[[[3.0, 4.0], [4.0, -3.0]]]])
    found = quality_of({"ideal": ideal, "measured": measured})
    assert found.cosine == pytest.approx(0.5) and found.signal == pytest.approx(25)
    assert found.scatter == pytest.approx(0.5 + 24.5)
    nothing = quality_of({"ideal": np.zeros((1, 1, 2)), "measured": measured})
    assert nothing.cosine == 0


def test_repetitions_in_one_call_are_gradients_of_the_minibatch() -> None:
    circuit = RingCircuit(3, 2)
    backend = open_backend("aer", circuit)
    rng = np.random.default_rng(3)
    question = _Question(
        rng.uniform(-1, 1, (5, circuit.num_angles)),
        rng.uniform(-np.pi, np.pi, circuit.num_weights),
        rng.standard_normal((5, 3)),
    )
    wanted = ParameterShift().weight_gradient(
        backend, question.angles, question.weights, question.upstream
    )
    found = _gradients(backend, question, 3)
    assert found == pytest.approx(np.tile(wanted.weights, (3, 1)))


def test_inputs_fit_every_depth() -> None:
    angles = np.arange(12.0).reshape(2, 6)
    deep = RingCircuit(3, 2, "reupload")
    assert _angles(deep, angles).shape == (2, deep.num_angles)
    assert np.array_equal(_angles(RingCircuit(3, 4), np.tile(angles, (1, 2))), angles)


def test_the_finding_is_whole_and_comes_back(acquired: Acquired, tmp_path: Path) -> None:
    finding = Gradients().analyse(acquired("gradients", 1))
    assert finding.answer is not None and "this one controller" in finding.answer
    assert len(finding.figures) == 2 and len(finding.tables[0].rows) == 3
    assert any("random advantages" in note for note in finding.notes)
    assert read_finding(write_finding(tmp_path, finding)) == finding


def test_nothing_is_measured_twice_and_analysis_opens_nothing(
    acquired: Acquired, nothing_opens: Callable[[], None]
) -> None:
    scope = acquired("gradients", 1)
    nothing_opens()
    Gradients().acquire(scope)
    Gradients().analyse(scope)


def test_the_sentences_come_out_either_way() -> None:
    rng = np.random.default_rng(6)

    def verdict(*levels: float) -> str:
        values = np.array(levels)[None, :, None, None] + 0.001 * rng.standard_normal((1, 4, 1, 20))
        return _verdict(hierarchical_bootstrap(values))

    assert verdict(0.5, 0.95, 0.99, 0.99).startswith("from 1024 shots on")
    assert "only exact" in verdict(0.1, 0.2, 0.3, 0.95)
    assert "no shots mend that" in verdict(0.1, 0.2, 0.3, 0.6)

    def by_depth(change: float, scatter: float) -> str:
        shallow = np.full((1, 20), 0.9)
        deep = shallow + change + scatter * rng.standard_normal((1, 20))
        rows = [[Quality(each, each, each)] * len(SHOTS) for each in (shallow, shallow, deep)]
        return _by_depth([Point(1, True), Point(1, False), Point(8, False)], rows)

    assert by_depth(-0.2, 0.01).startswith("It falls from depth 1 to 8")
    assert by_depth(0.05, 0.001).startswith("It rises")
    assert by_depth(0.0, 0.3).startswith("No difference is seen") and "draws" in by_depth(0.0, 0.3)
