"""What noise does to the features of visited states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qhw.config import parse_config
from qhw.errors import DataError
from qhw.runs import create_run
from qhw.studies import by_shots
from qhw.studies.by_shots import Comparison, best_in_words, compare_methods
from qhw.studies.features import Features, errors_of, root_mean_squares
from qhw.studies.finding import Estimate, Finding, read_finding, write_finding
from qhw.studies.noisy import METHODS, Key, Measured, Noisy, read_noisy
from qhw.studies.study import Scope
from qhw.studies.visited import Visits, read_visits
from tests.qhw.studies.conftest import TINY
from tests.qhw.studies.tiny import (
    DEVICE,
    OTHER,
    SHOTS,
    Acquired,
    acquired,
    nothing_opens,
    small_studies,
)

__all__ = ["acquired", "nothing_opens", "small_studies"]


def rmse_of(finding: Finding) -> dict[Key, Estimate]:
    shots = {by_shots.shots_label(each): each for each in SHOTS}
    methods = {by_shots.title(method): method for method in METHODS}
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
    assert finding.answer is not None and "this one controller" in finding.answer
    assert [figure.id for figure in finding.figures] == [f"rmse_{DEVICE}", f"rmse_{OTHER}"]
    assert any("one training seed" in note for note in finding.notes)
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
    (missing,) = scope.data("features").glob(f"{DEVICE}-1024-*.npz")
    before = missing.read_bytes()
    others = {p: p.stat().st_mtime_ns for p in scope.data("features").glob("*.npz")}
    missing.unlink()
    with pytest.raises(DataError, match="Acquire first"):
        Features().analyse(scope)
    Features().acquire(scope)
    assert missing.read_bytes() == before
    now = {p: p.stat().st_mtime_ns for p in scope.data("features").glob("*.npz")}
    assert [p for p in others if others[p] != now[p]] == [missing]


def test_several_seeds_are_the_unit(acquired: Acquired) -> None:
    scope = acquired("features", 2)
    assert read_noisy(scope).ideal.shape[:2] == (2, 1)
    finding = Features().analyse(scope)
    assert finding.answer is not None and "2 trained controllers" in finding.answer
    assert not any("one training seed" in note for note in finding.notes)


def test_states_are_visited_ones(acquired: Acquired) -> None:
    (visits,) = read_visits(acquired("features", 1))
    assert visits.angles.shape == (24, 6) and visits.ideal.shape == (24, 3)
    assert np.abs(visits.ideal).max() <= 1 + 1e-9
    assert len(np.unique(visits.angles, axis=0)) == 24


def test_a_circuit_that_is_too_large_is_refused(tmp_path: Path) -> None:
    settings = {**TINY, "actor": {"circuit": {"qubits": 9, "depth": 1}}}
    run = create_run(tmp_path, parse_config(settings), "large")
    scope = Scope((run,), tmp_path / "report", full=False, device=DEVICE)
    Features().acquire(scope)
    finding = Features().analyse(scope)
    assert finding.answer is None and finding.refusal is not None and "9 qubits" in finding.refusal


def measured(error: float, scatter: float, repeats: int = 50) -> Measured:
    """Values that are wrong by a known amount."""
    rng = np.random.default_rng(4)
    ideal = rng.uniform(-1, 1, (400, 2))
    values = ideal + error + scatter * rng.standard_normal((1, repeats, 400, 2))
    nothing = np.zeros((1, repeats, 400))
    visits = Visits(*[np.zeros(1)] * 2, ideal, *[np.zeros(400)] * 4)
    return Measured([visits], {Key("d", "none", 64): Noisy(values, *[nothing] * 3)}, {})


def test_bias_and_spread_are_told_apart() -> None:
    errors = errors_of(measured(0.05, 0.1))
    (bias,), (spread,), (total,) = (
        root_mean_squares(part).estimates.values()
        for part in (errors.bias, errors.spread, errors.total)
    )
    assert bias.value == pytest.approx(0.05, rel=0.03)
    assert spread.value == pytest.approx(0.1, rel=0.02)
    assert total.value == pytest.approx(np.hypot(0.05, 0.1), rel=0.02)
    (none,) = root_mean_squares(errors_of(measured(0.0, 0.1)).bias).estimates.values()
    assert none.value < 0.01


def told(change: float, scatter: float) -> tuple[Comparison, str]:
    """One mitigation that changes the squares by this much on average."""
    rng = np.random.default_rng(5)
    plain, noise = np.full((1, 100), 1.0), rng.standard_normal((1, 100))
    other = plain + change + scatter * (noise - noise.mean())
    squares = {Key("d", "none", 1024): plain, Key("d", "affine", 1024): other}
    (comparison,) = compare_methods(squares)
    estimates = root_mean_squares(squares).estimates
    return comparison, best_in_words("d", [comparison], squares, estimates)


def test_the_sentence_comes_out_either_way() -> None:
    better, words = told(-0.3, 0.1)
    assert better.verdict == "better" and "affine lowers this by 1" in words and "Holm p" in words
    worse, words = told(0.3, 0.1)
    assert worse.verdict == "worse" and "does not lower it, and affine makes it worse" in words
    unseen, words = told(0.0, 1.0)
    assert unseen.verdict == "no difference seen" and "with 80 % power takes" in words
    assert best_in_words("d", [], {}, {}) == "no mitigation fits the device"
