"""What noise does to the features of visited states."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import column, holm_by_hand, mean_of, table_of, value_of
from tests.qhw.studies.made_up import plant_features
from tests.qhw.studies.tiny import (
    DEVICE,
    OTHER,
    SHOTS,
    TINY_SIZES,
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


class TestNumbers:
    """The finding's numbers against the errors that were planted."""

    def test_bias_spread_and_rmse_are_those_of_the_arrays(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        planted = plant_features(scope, rng)
        finding = Features().analyse(scope)
        table = table_of(finding, "features_errors")
        assert len(table.rows) == len(planted.noisy) == 2 * 4 * len(SHOTS)
        for k, (key, columns) in enumerate(planted.noisy.items()):
            shots = str(key.shots) if key.shots else "exact"
            method = "no mitigation" if key.method == "none" else key.method
            assert table.rows[k][:3] == (key.device, method, shots)
            error = columns["values"] - planted.ideal["ideal"][:, None]
            repeats = error.shape[1]
            spread = error.var(axis=1, ddof=1).mean() if repeats > 1 else 0.0
            bias = (error.mean(axis=1) ** 2).mean() - spread / repeats
            expected = {"RMSE": (error**2).mean(), "spread": spread, "bias": bias}
            for name, square in expected.items():
                found = value_of(column(table, name)[k])
                assert found == pytest.approx(np.sqrt(max(square, 0))), (key, name)
            total, parts = expected["RMSE"], expected["bias"] + expected["spread"]
            assert total == pytest.approx(parts), "as the table's reader is told"

    def test_figures_draw_the_tables_numbers(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        plant_features(scope, rng)
        finding = Features().analyse(scope)
        rows = {row[:3]: row[-1] for row in table_of(finding, "features_errors").rows}
        for device, figure in zip((DEVICE, OTHER), finding.figures, strict=True):
            assert figure.x.order == ("64", "1024", "16384", "exact")
            for line in figure.series:
                drawn = zip(line.x, line.y, line.low, line.high, strict=True)
                for shots, y, low, high in drawn:
                    cell = rows[(device, line.name, str(shots))]
                    assert cell == Estimate(value=y or 0, low=low or 0, high=high or 0)

    def test_verdicts_are_holms_over_the_relative_changes(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        planted = plant_features(scope, rng)
        finding = Features().analyse(scope)
        table = table_of(finding, "features_mitigation")
        changes = []
        for device, method, shots in zip(
            column(table, "device"),
            column(table, "mitigation"),
            column(table, "shots"),
            strict=True,
        ):
            number = None if shots == "exact" else int(str(shots))
            squares = {
                name: ((planted.noisy[Key(str(device), name, number)]["values"]
                        - planted.ideal["ideal"][:, None]) ** 2).mean(axis=(1, 3))
                for name in ("none", str(method))
            }  # fmt: skip
            own = squares["none"].mean(axis=1, keepdims=True)
            changes.append((squares[str(method)] - squares["none"]) / own)
        assert len(changes) == 12
        p_values = holm_by_hand([mean_of(change).p_value for change in changes])
        for k, (change, p_value) in enumerate(zip(changes, p_values, strict=True)):
            assert column(table, "p (Holm)")[k] == pytest.approx(p_value)
            verdict = "better" if change.mean() < 0 else "worse"
            assert column(table, "verdict")[k] == (
                verdict if p_value < 0.05 else "no difference seen"
            )

    def test_another_run_or_length_finds_no_files(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds[:2], tmp_path, DEVICE, TINY_SIZES)
        plant_features(scope, rng)
        Features().analyse(scope)
        more = dataclasses.replace(TINY_SIZES, repeats=5)
        for changes in ({"runs": seeds[1:]}, {"device": "fake_lagos"}, {"sizes": more}):
            with pytest.raises(DataError, match="is not there yet"):
                Features().analyse(dataclasses.replace(scope, **changes))
