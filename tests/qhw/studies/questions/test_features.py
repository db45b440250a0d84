"""What noise does to the features of visited states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qhw.errors import DataError
from qhw.studies.finding import Estimate, Finding, read_finding, write_finding
from qhw.studies.measured.noisy_features import (
    METHODS,
    ZNE_CIRCUITS,
    FeatureData,
    Key,
    NoisyFeatures,
    open_noisy,
    read_noisy,
)
from qhw.studies.measured.visited_states import VisitedStates, read_states, subject_circuit
from qhw.studies.names import mitigation_title, shots_label
from qhw.studies.questions.features import Features, biases, errors_of, root_mean_squares
from tests.qhw.studies.tiny import (
    DEVICE,
    OTHER,
    SHOTS,
    Acquired,
    acquired,
    nothing_opens,
)

__all__ = ["acquired", "nothing_opens"]


def rmse_of(finding: Finding) -> dict[Key, Estimate]:
    shots = {shots_label(each): each for each in SHOTS}
    methods = {mitigation_title(method): method for method in METHODS}
    found = {}
    for device, method, label, *_, rmse in finding.tables[0].rows:
        assert isinstance(rmse, Estimate)
        found[Key(str(device), methods[str(method)], shots[str(label)])] = rmse
    return found


def test_known_facts_hold(acquired: Acquired) -> None:
    finding = Features().analyse(acquired("features", 1))
    rmse = rmse_of(finding)
    assert len(rmse) == 2 * len(METHODS) * len(SHOTS)
    for device in (DEVICE, OTHER):
        plain = [rmse[Key(device, "none", shots)].value for shots in SHOTS]
        assert plain[0] > plain[1] > plain[2] > 0.9 * plain[3]
        assert rmse[Key(device, "affine", 16_384)].high < rmse[Key(device, "none", 16_384)].low
        assert rmse[Key(device, "zne", 64)].low > rmse[Key(device, "none", 64)].high


def test_the_finding_is_whole_and_comes_back(acquired: Acquired, tmp_path: Path) -> None:
    finding = Features().analyse(acquired("features", 1))
    assert finding.answer is None and "One training seed" in (finding.refusal or "")
    told = "Root mean squares over the states that it visits: "
    assert (finding.observed or "").startswith(told)
    assert [figure.id for figure in finding.figures] == [f"rmse_{DEVICE}", f"rmse_{OTHER}"]
    assert any("best case" in note for note in finding.notes)
    assert "bootstrap seed" in finding.provenance
    assert read_finding(write_finding(tmp_path, finding)) == finding


def test_nothing_is_measured_twice_and_analysis_opens_nothing(
    acquired: Acquired, nothing_opens: Callable[[], None]
) -> None:
    scope = acquired("features", 1)
    nothing_opens()
    Features().acquire(scope)
    assert Features().analyse(scope) == Features().analyse(scope)


def test_an_interrupted_acquisition_goes_on(acquired: Acquired, tmp_path: Path) -> None:
    scope = acquired("features", 1)
    (missing,) = scope.store("features").folder.glob(f"{DEVICE}-1024-*.npz")
    before = missing.read_bytes()
    others = {p: p.stat().st_mtime_ns for p in scope.store("features").folder.glob("*.npz")}
    missing.unlink()
    with pytest.raises(DataError, match="Acquire first"):
        Features().analyse(scope)
    Features().acquire(scope)
    assert missing.read_bytes() == before
    now = {p: p.stat().st_mtime_ns for p in scope.store("features").folder.glob("*.npz")}
    assert [p for p in others if others[p] != now[p]] == [missing]


def test_several_seeds_are_the_unit(acquired: Acquired) -> None:
    scope = acquired("features", 2)
    assert read_noisy(scope).ideal.shape[:2] == (2, 1)
    finding = Features().analyse(scope)
    assert finding.answer is not None and "2 trained controllers" in finding.answer
    assert not any("one training seed" in note for note in finding.notes)
    assert not any("one controller" in note for note in finding.notes)


def test_states_are_visited_ones(acquired: Acquired) -> None:
    (visits,) = read_states(acquired("features", 1))
    assert visits.angles.shape == (24, 6) and visits.ideal.shape == (24, 3)
    assert np.abs(visits.ideal).max() <= 1 + 1e-9
    assert len(np.unique(visits.angles, axis=0)) == 24


def test_extrapolation_takes_as_many_shots_as_one_circuit(acquired: Acquired) -> None:
    scope = acquired("features", 1)
    circuit, (visits,) = subject_circuit(scope), read_states(scope)
    shots = []
    for method, each in (("none", 1024), ("zne", 1024 // ZNE_CIRCUITS)):
        backend = open_noisy(circuit, DEVICE, each, mitigation=method)  # type: ignore[arg-type]
        shots.append(backend.evaluate(visits.angles, visits.weights[None]).cost.shots)
    assert shots == [24 * 1024] * 2
    assert any("two circuits with half of them" in n for n in Features().analyse(scope).notes)


def measured(error: float, scatter: float, repeats: int = 50) -> FeatureData:
    """Values that are wrong by a known amount."""
    rng = np.random.default_rng(4)
    ideal = rng.uniform(-1, 1, (400, 2))
    values = ideal + error + scatter * rng.standard_normal((1, repeats, 400, 2))
    nothing = np.zeros((1, repeats, 400))
    none, column = np.zeros(1), np.zeros(400)
    visits = VisitedStates(none, none, ideal, column, column, column, np.zeros((400, 2)))
    return FeatureData([visits], {Key("d", "none", 64): NoisyFeatures(values, *[nothing] * 3)}, {})


def test_bias_and_spread_are_told_apart() -> None:
    errors = errors_of(measured(0.05, 0.1))
    (bias,) = biases(errors.bias).values()
    (spread,), (total,) = (
        root_mean_squares(part).estimates.values() for part in (errors.spread, errors.total)
    )
    assert bias.value == pytest.approx(0.05, rel=0.03)
    assert spread.value == pytest.approx(0.1, rel=0.02)
    assert total.value == pytest.approx(np.hypot(0.05, 0.1), rel=0.02)
    (none,) = biases(errors_of(measured(0.0, 0.1)).bias).values()
    assert none.value < 0.01 and none.low == 0
