"""The gradient's variance against depth and qubits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from policy import ParameterShift, RingCircuit
from qhw.backends.opening import open_backend
from qhw.studies.finding import Estimate, read_finding, write_finding
from qhw.studies.questions.plateau_outputs import OUTPUTS, Outputs, acquire_outputs, fit_both
from qhw.studies.questions.plateaus import (
    SEED,
    WEIGHT,
    Plateaus,
    Size,
    Variances,
    _depth_in_words,
    _draw,
    _file,
    _slope_in_words,
    sizes,
)
from qhw.studies.sizes import Sizes
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import column, holm_by_hand, mean_of, table_of, value_of
from tests.qhw.studies.tiny import TINY_SIZES, Acquired, acquired, nothing_opens

__all__ = ["acquired", "nothing_opens"]


def test_the_variance_falls_with_the_qubits(acquired: Acquired) -> None:
    finding = Plateaus().analyse(acquired("plateaus", 1))
    ((_, slope, factor),) = finding.tables[0].rows
    assert isinstance(slope, Estimate) and slope.high < 0
    assert isinstance(factor, float) and 1.4 < factor < 3
    values = finding.figures[0].series[0].y
    assert values[0] is not None and values[-1] is not None and values[0] > values[-1]
    assert (
        finding.answer is not None
        and "every qubit divides the gradient's variance by" in finding.answer
    )


def test_it_is_the_gradient_by_one_weight_of_the_first_layer() -> None:
    circuit = RingCircuit(3, 2, "linear")
    found = _draw(circuit, 3)["gradient"]
    weights = np.random.default_rng([SEED, 3, 2]).uniform(-np.pi, np.pi, (3, circuit.num_weights))
    angles = np.array([[np.pi / 2] * 3 + [0.0] * 3])
    backend, upstream = open_backend("aer", circuit), np.array([[1.0, 0.0, 0.0]])
    rule = ParameterShift()
    wanted = [rule.weight_gradient(backend, angles, row, upstream).weights for row in weights]
    assert found == pytest.approx(np.array(wanted)[:, WEIGHT])


def test_parts_join_up(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = RingCircuit(2, 1, "linear")
    whole = _draw(circuit, 7)["gradient"]
    monkeypatch.setattr("qhw.studies.questions.plateaus.AT_ONCE", 3)
    assert np.array_equal(_draw(circuit, 7)["gradient"], whole)


def test_every_size_once_and_all_qubits_if_full(acquired: Acquired) -> None:
    scope = acquired("plateaus", 1)
    known = sizes(scope)
    assert len(set(known)) == len(known)
    assert Size(3, 2) in known and Size(5, 2) in known
    full = dataclasses.replace(scope, sizes=Sizes.full())
    assert {size.qubits for size in sizes(full)} == set(range(2, 11))


def test_the_slope_of_an_exact_fall_and_its_coverage() -> None:
    """Squares of normal gradients whose variance halves with every qubit."""
    known = [Size(n, 2) for n in (2, 4, 6)]
    rng = np.random.default_rng(8)
    variances = 2.0 ** -np.array([2.0, 4.0, 6.0])[:, None, None]
    covered = []
    for _ in range(200):
        squares = variances * rng.chisquare(1, (3, 1, 300))
        bootstrap = hierarchical_bootstrap(squares, resamples=300)
        found = Variances(known, squares, bootstrap).slope((2, 4, 6), 2)
        covered.append(found.low <= -1 <= found.high)
    assert binom.ppf(1e-3, 200, 0.94) <= sum(covered) < 200
    roots = np.sqrt(variances[:, 0] * np.ones((3, 10)))
    exact = Variances.of(dict(zip(known, roots, strict=True)))
    assert exact.slope((2, 4, 6), 2).value == pytest.approx(-1)


def test_depths_are_told_from_the_last_one_that_differs() -> None:
    rng = np.random.default_rng(9)

    def words(*variances: float) -> str:
        known = [Size(3, depth) for depth in (1, 2, 3)]
        squares = np.array(variances)[:, None] * rng.chisquare(1, (3, 400))
        found = Variances.of(dict(zip(known, np.sqrt(squares), strict=True)))
        return _depth_in_words(found, known)

    assert "from depth 1 to 3; from depth 2 on no further change" in words(8, 1, 1)
    assert "from depth 2 to 3, and still changes" in words(1, 0.25, 1)
    assert "falls by" in words(8, 1, 1) and "rises by" in words(1, 0.25, 1)
    level = words(1, 1, 1)
    assert level.startswith("No difference is seen between the variances of circuits of 3 qubits")
    assert "weight sets" in level


def test_a_gradient_of_nothing_is_refused(acquired: Acquired, tmp_path: Path) -> None:
    scope = dataclasses.replace(acquired("plateaus", 1), folder=tmp_path)
    for size in sizes(scope):
        scope.store("plateaus").keep(_file(scope, size), {"gradient": np.zeros(200)})
    assert "no variance to compare" in (Plateaus().analyse(scope).refusal or "")


def test_the_finding_is_whole_and_comes_back(acquired: Acquired, tmp_path: Path) -> None:
    finding = Plateaus().analyse(acquired("plateaus", 1))
    assert [figure.id for figure in finding.figures] == [
        "variance_by_qubits",
        "variance_by_depth",
        "variance_by_output",
    ]
    assert all(figure.y.log for figure in finding.figures)
    assert any("200 random weight sets" in note for note in finding.notes)
    assert read_finding(write_finding(tmp_path, finding)) == finding


def test_nothing_is_measured_twice_and_analysis_opens_nothing(
    acquired: Acquired, nothing_opens: Callable[[], None]
) -> None:
    scope = acquired("plateaus", 1)
    nothing_opens()
    Plateaus().acquire(scope)
    Plateaus().analyse(scope)


def test_the_sentence_comes_out_either_way() -> None:
    assert "divides the gradient's variance by 2.00" in _slope_in_words(
        2, Estimate(value=-1, low=-1.1, high=-0.9)
    )
    assert "does not fall but rises" in _slope_in_words(2, Estimate(value=1, low=0.9, high=1.1))
    assert "no change" in _slope_in_words(2, Estimate(value=0, low=-0.1, high=0.1))


class TestNumbers:
    """The finding's numbers against the gradients that were planted."""

    def plant(self, scope: Scope, rng: np.random.Generator) -> dict[Size, NDArray[np.float64]]:
        """Gradients whose variance halves with every qubit, and with the third layer."""
        planted = {}
        for size in sizes(scope):
            spread = 2.0 ** (-size.qubits / 2) * (0.5**0.5 if size.depth == 3 else 1)
            planted[size] = spread * rng.standard_normal(200)
            scope.store("plateaus").keep(_file(scope, size), {"gradient": planted[size]})
        acquire_outputs(scope)
        return planted

    def test_variances_and_the_shots_that_reach_them(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, "fake_nairobi", TINY_SIZES)
        planted = self.plant(scope, rng)
        table = table_of(Plateaus().analyse(scope), "variances")
        rows = dict(zip(zip(column(table, "qubits"), column(table, "depth"), strict=True),
                        zip(column(table, "variance"), column(table, "shots for signal = noise"),
                            strict=True), strict=True))  # fmt: skip
        assert rows.keys() == {(size.qubits, size.depth) for size in planted}
        for size, gradients in planted.items():
            variance, shots = rows[size.qubits, size.depth]
            assert value_of(variance) == pytest.approx((gradients**2).mean())
            assert shots == pytest.approx(1 / (2 * (gradients**2).mean()))
            # The interval is t's, as far to both sides in ratio.
            expected = mean_of([gradients**2])
            assert isinstance(variance, Estimate)
            for end, wanted in ((variance.low, expected.low), (variance.high, expected.high)):
                ratio = np.exp(wanted / expected.value - 1)
                assert end / variance.value == pytest.approx(ratio, rel=0.05)

    def test_the_slope_is_least_squares_of_the_logarithms(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, "fake_nairobi", TINY_SIZES)
        planted = self.plant(scope, rng)
        finding = Plateaus().analyse(scope)
        qubits = (2, 3, 4, 5)
        variances = [(planted[Size(n, 2)] ** 2).mean() for n in qubits]
        slope, _ = np.polyfit(qubits, np.log2(variances), 1)
        [(_, estimate, factor)] = table_of(finding, "variance_slopes").rows
        assert value_of(estimate) == pytest.approx(slope)
        assert factor == pytest.approx(2**-slope)
        assert f"every qubit divides the gradient's variance by {2**-slope:.2f}" in (
            finding.answer or ""
        )
        by_qubits, by_depth, _ = finding.figures
        assert by_qubits.series[0].y == pytest.approx(tuple(variances))
        wanted = [(planted[Size(3, depth)] ** 2).mean() for depth in (1, 2, 3)]
        assert by_depth.series[0].y == pytest.approx(tuple(wanted))

    def test_the_last_depth_that_differs_is_holms(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, "fake_nairobi", TINY_SIZES)
        planted = self.plant(scope, rng)
        answer = Plateaus().analyse(scope).answer or ""
        squares = [planted[Size(3, depth)] ** 2 for depth in (1, 2, 3)]
        p_values = holm_by_hand([mean_of([each - squares[2]]).p_value for each in squares[:2]])
        differing = [
            depth for depth, p_value in zip((1, 2), p_values, strict=True) if p_value < 0.05
        ]
        assert differing, "planted so"
        ratio = squares[differing[-1] - 1].mean() / squares[2].mean()
        assert f"falls by a factor of {ratio:.1f} from depth {differing[-1]} to 3" in answer


class TestOutputs:
    """Every output and weight, on ring and line."""

    def test_which_law_fits_is_told(self) -> None:
        rng = np.random.default_rng(5)
        qubits = np.array([2.0, 4.0, 6.0, 8.0])
        squares = rng.chisquare(1, (4, 2000))
        exponential = fit_both(qubits, 2.0 ** -qubits[:, None] * squares)
        assert exponential.words == "exponential" and exponential.share > 0.99
        assert exponential.slope.low < -1 < exponential.slope.high
        power = fit_both(qubits, qubits[:, None] ** -2.0 * squares)
        assert power.words == "power law" and power.share < 0.01
        assert power.exponent == pytest.approx(-2, abs=0.15)
        assert fit_both(qubits[:2], squares[:2]).words == "neither"

    def test_a_line_keeps_its_first_output(self, acquired: Acquired) -> None:
        scope = acquired("plateaus", 1)
        outputs = Outputs(scope)
        line = outputs.fits("line", 2, OUTPUTS["<Z_0>"]).slope
        ring = outputs.fits("ring", 2, OUTPUTS["<Z_0>"]).slope
        assert line.value > -0.3 > -0.5 > ring.value
        last = outputs.fits("line", 2, OUTPUTS["<Z_last>"]).slope
        assert last.value < -0.7

    def test_the_table_holds_median_and_range(self, acquired: Acquired) -> None:
        scope = acquired("plateaus", 1)
        finding = Plateaus().analyse(scope)
        table = table_of(finding, "variances_by_output")
        assert column(table, "entanglement") == ["ring"] * 4 + ["line"] * 4
        outputs = Outputs(scope)
        for row in table.rows:
            rows = OUTPUTS[str(row[2])]
            found = outputs.range("ring" if row[0] == "ring" else "line", 2, 5, rows)
            assert found is not None and found.low <= found.value <= found.high
            assert row[3:6] == tuple(f"{v:.2e}" for v in (found.value, found.low, found.high))
        assert any("Along a line Z_0 stays alone" in note for note in finding.notes)
        assert "on the line" in (finding.answer or "")
