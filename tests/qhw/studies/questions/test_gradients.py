"""The parameter-shift gradient under noise and shots."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from policy import ParameterShift, RingCircuit
from qhw.backends.opening import open_backend
from qhw.studies.finding import Estimate, read_finding, write_finding
from qhw.studies.measured import kept_by_qubits
from qhw.studies.measured.noisy_gradients import (
    GradientTask,
    Point,
    _angles,
    _file,
    draws_of,
    points_of,
    read_gradients,
    shift_gradients,
)
from qhw.studies.questions.gradients import (
    Gradients,
    Qualities,
    Quality,
    _by_depth,
    _row,
    _shots_for_one,
    _verdict,
    quality_of,
)
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import column, mean_of, table_of, value_of
from tests.qhw.studies.conftest import made_up_run
from tests.qhw.studies.tiny import DEVICE, SHOTS, TINY_SIZES, Acquired, acquired, nothing_opens

__all__ = ["acquired", "nothing_opens"]


def test_known_facts_hold(acquired: Acquired) -> None:
    scope = acquired("gradients", 1)
    for point in points_of(scope):
        found = _row(scope, point)
        cosine = [each.cosine.mean() for each in found]
        assert cosine[0] < cosine[1] < cosine[2] and cosine[3] > 0.95
        ratio = np.sqrt(found[0].scatter.mean() / found[2].scatter.mean())
        assert ratio == pytest.approx(16, rel=0.35)  # 256 times the shots
        assert found[3].scatter.max() == 0


def test_cosine_and_signal_to_noise_agree(acquired: Acquired) -> None:
    """Noise alike in all directions turns a gradient of ratio r by r / sqrt(1 + r^2)."""
    scope = acquired("gradients", 1)
    for point in points_of(scope):
        *sampled, exact = _row(scope, point)
        for each in sampled:
            ratio = 10**each.log_ratio
            expected = exact.cosine * ratio / np.sqrt(1 + ratio**2)
            assert each.cosine.mean() == pytest.approx(expected.mean(), rel=0.15, abs=0.06)


def test_what_a_layer_leaves_is_the_slope_by_depth() -> None:
    """Norms that fall as .9^L give .9, whatever the trained weights do."""
    points = [Point(2, True), *(Point(depth, False) for depth in (1, 2, 4, 8))]
    rng = np.random.default_rng(1)

    def cell(point: Point) -> Quality:
        ideal = rng.uniform(0.5, 2, (3, 6))
        share = 0.3 if point.trained else 0.9**point.depth
        return Quality(np.ones((3, 6)), ideal, share**2 * ideal, np.ones((3, 6)))

    found = Qualities.of(points, SHOTS, [[cell(point)] * len(SHOTS) for point in points])
    assert found.kept_per_layer.value == pytest.approx(0.9)
    assert found.kept_at(4).value == pytest.approx(0.9**8)


def test_larger_circuits_get_fewer_draws_and_then_none(
    tmp_path: Path, nothing_opens: Callable[[], None]
) -> None:
    nothing_opens()
    draws = []
    for qubits in (4, 6, 8):
        run = made_up_run(tmp_path, f"q{qubits}", actor={"circuit": {"qubits": qubits}})
        scope = Scope((run,), tmp_path / f"report{qubits}", DEVICE, TINY_SIZES)
        draws.append(draws_of(scope))
    assert draws == [6, 2, 2]
    Gradients().acquire(scope)
    assert "8 qubits" in (Gradients().analyse(scope).refusal or "")


def test_quality_by_hand() -> None:
    ideal = np.array([[[3.0, 4.0]]])
    measured = np.array([[[[3.0, 4.0], [4.0, -3.0]]]])
    exact = 0.5 * ideal
    found = quality_of({"ideal": ideal, "measured": measured}, exact)
    assert found.cosine == pytest.approx(0.5) and found.ideal == pytest.approx(25)
    assert found.signal == pytest.approx(25 / 4) and np.exp(found.log_kept) == pytest.approx(0.5)
    assert found.scatter == pytest.approx(0.5 + 24.5)
    nothing = quality_of({"ideal": np.zeros((1, 1, 2)), "measured": measured}, exact)
    assert nothing.cosine == 0


def test_repetitions_in_one_call_are_gradients_of_the_minibatch() -> None:
    circuit = RingCircuit(3, 2)
    backend = open_backend("aer", circuit)
    rng = np.random.default_rng(3)
    question = GradientTask(
        rng.uniform(-1, 1, (5, circuit.num_angles)),
        rng.uniform(-np.pi, np.pi, circuit.num_weights),
        rng.standard_normal((5, 3)),
    )
    wanted = ParameterShift().weight_gradient(
        backend, question.angles, question.weights, question.upstream
    )
    found = shift_gradients(backend, question, 3)
    assert found == pytest.approx(np.tile(wanted.weights, (3, 1)))


def test_inputs_fit_every_depth() -> None:
    angles = np.arange(12, dtype=np.float64).reshape(2, 6)
    deep = RingCircuit(3, 2, "reupload")
    assert _angles(deep, angles).shape == (2, deep.num_angles)
    assert np.array_equal(_angles(RingCircuit(3, 4), np.tile(angles, (1, 2))), angles)


def test_the_finding_is_whole_and_comes_back(acquired: Acquired, tmp_path: Path) -> None:
    finding = Gradients().analyse(acquired("gradients", 1))
    assert finding.answer is None and "One training seed" in (finding.refusal or "")
    assert (finding.observed or "").startswith("At 1024 shots on ")
    assert len(finding.figures) == 4 and len(finding.tables[0].rows) == 3
    assert any("random advantages" in note for note in finding.notes)
    assert read_finding(write_finding(tmp_path, finding)) == finding


def test_nothing_is_measured_twice_and_analysis_opens_nothing(
    acquired: Acquired, nothing_opens: Callable[[], None]
) -> None:
    scope = acquired("gradients", 1)
    nothing_opens()
    Gradients().acquire(scope)
    Gradients().analyse(scope)


def of_cosines(rows: Sequence[Sequence[NDArray[np.float64]]]) -> Qualities:
    """Qualities of weights that are trained, random, and random at depth 8."""
    points = [Point(1, True), Point(1, False), Point(8, False)][: len(rows)]
    table = [[Quality(each, *[np.ones_like(each)] * 3) for each in row] for row in rows]
    return Qualities.of(points, SHOTS, table)


def test_the_sentences_come_out_either_way() -> None:
    rng = np.random.default_rng(6)

    def verdict(*levels: float) -> str:
        scatter = 0.001 * rng.standard_normal((4, 1, 20))
        return _verdict(of_cosines([list(np.array(levels)[:, None, None] + scatter)]))

    assert verdict(0.5, 0.95, 0.99, 0.99).startswith("from 1024 shots on")
    assert verdict(0.5, 0.95, 0.8, 0.99).startswith("only with exact"), "from there on it must stay"
    assert "only with exact" in verdict(0.1, 0.2, 0.3, 0.95)
    assert "no shots mend that" in verdict(0.1, 0.2, 0.3, 0.6)

    def by_depth(change: float, scatter: float) -> str:
        shallow = np.full((1, 20), 0.9)
        deep = shallow + change + scatter * rng.standard_normal((1, 20))
        return _by_depth(of_cosines([[each] * len(SHOTS) for each in (shallow, shallow, deep)]))

    assert by_depth(-0.2, 0.01).startswith("It falls from depth 1 to 8")
    assert by_depth(0.05, 0.001).startswith("It rises")
    assert by_depth(0.0, 0.3).startswith("No difference is seen") and "draws" in by_depth(0.0, 0.3)


def test_a_cosine_ends_at_one() -> None:
    found = of_cosines([[np.array([[1.0, 1.0, 0.97, 1.0]])] * len(SHOTS)])
    assert found.cosine.high[0, 0] > 1 == found.cosine_at(0, 0).high


def test_shots_for_a_ratio_of_one_have_an_interval() -> None:
    found = _shots_for_one(Estimate(value=math.log10(4), low=math.log10(2), high=math.log10(8)))
    assert (found.low, found.value, found.high) == pytest.approx((16, 64, 256))


def test_a_head_that_does_not_react_has_no_gradient_to_turn(
    acquired: Acquired, tmp_path: Path
) -> None:
    scope = acquired("gradients", 1)
    blind = dataclasses.replace(scope, folder=tmp_path)
    for point in points_of(scope):
        for shots in SHOTS:
            arrays = read_gradients(scope, point, shots)
            nothing = {name: 0 * values for name, values in arrays.items()}
            blind.store("gradients").keep(_file(blind, point, shots), nothing)
    finding = Gradients().analyse(blind)
    assert finding.answer is None and "does not react" in (finding.refusal or "")


def test_several_seeds_are_the_unit(acquired: Acquired) -> None:
    finding = Gradients().analyse(acquired("gradients", 2))
    assert finding.answer is not None and "at 2 trained weight sets" in finding.answer


class TestNumbers:
    """The finding's numbers against the gradients that were planted."""

    def plant(self, scope: Scope, rng: np.random.Generator) -> dict[tuple[int, int], Any]:
        """Ideal gradients of 8 weights, and measured ones whose scatter falls with the shots."""
        planted: dict[tuple[int, int], Any] = {}
        for row, point in enumerate(points_of(scope)):
            ideal = rng.standard_normal((3, 6, 8))
            for k, shots in enumerate(SHOTS):
                repeats, spread = (4, 10 * shots**-0.5) if shots else (1, 0.0)
                scatter = spread * rng.standard_normal((3, 6, repeats, 8))
                arrays = {"ideal": ideal, "measured": 0.9 * ideal[:, :, None] + 0.1 + scatter}
                scope.store("gradients").keep(_file(scope, point, shots), arrays)
                planted[row, k] = arrays
        for qubits in TINY_SIZES.gradient_qubits:
            ideal = rng.standard_normal((TINY_SIZES.gradient_draws, 5))
            kept = {"ideal": ideal, "noisy": ideal * 0.9**qubits}
            scope.store("gradients").keep(kept_by_qubits._file(scope, qubits), kept)
        return planted

    def test_the_table_is_that_of_the_arrays(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        planted = self.plant(scope, rng)
        finding = Gradients().analyse(scope)
        table, middle = table_of(finding, "gradients_by_depth"), SHOTS.index(1024)
        assert column(table, "weights") == [
            "trained weights, depth 1", "random weights, depth 1", "random weights, depth 3",
        ]  # fmt: skip
        for row in range(3):
            ideal, measured = planted[row, middle]["ideal"], planted[row, middle]["measured"]
            norms = np.linalg.norm(ideal, axis=-1)
            assert value_of(column(table, "ideal norm")[row]) == pytest.approx(
                np.sqrt((norms**2).mean())
            )
            noise = np.sqrt(measured.var(axis=2, ddof=1).sum(axis=-1))
            left = np.linalg.norm(planted[row, 3]["measured"][:, :, 0], axis=-1)
            kept = np.exp(np.log(left / norms).mean())
            found = value_of(column(table, "norm, measured / ideal")[row])
            assert found == pytest.approx(kept)
            ratio = 10 ** np.log10(left / noise).mean()
            found = value_of(column(table, "signal-to-noise, 1024 shots")[row])
            assert found == pytest.approx(ratio)
            needed = value_of(column(table, "shots for signal = noise")[row])
            assert needed == pytest.approx(1024 / ratio**2), "noise falls as one over the root"
            for k, heading in ((middle, "cosine, 1024 shots"), (3, "cosine, exact")):
                cosine = column(table, heading)[row]
                assert value_of(cosine) == pytest.approx(self.cosines(planted[row, k]).mean())
                assert isinstance(cosine, Estimate)
                low = mean_of(self.cosines(planted[row, k])).low
                assert cosine.low == pytest.approx(low, abs=0.3 * (cosine.value - low))

    def cosines(self, arrays: Any) -> NDArray[np.float64]:
        """Of every draw, the mean over its measurements."""
        ideal, measured = arrays["ideal"], arrays["measured"]
        units = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (ideal, measured)]
        cosines: NDArray[np.float64] = (units[0][:, :, None] * units[1]).sum(axis=-1).mean(axis=2)
        return cosines

    def test_what_is_left_by_qubits(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        self.plant(scope, rng)
        finding = Gradients().analyse(scope)
        table = table_of(finding, "gradients_by_qubits")
        left = [value_of(cell) for cell in column(table, "norm, measured / ideal")]
        assert left == pytest.approx([0.9**2, 0.9**3])
        assert "With every qubit it leaves 0.900 [0.900, 0.900] times as much" in str(
            finding.answer
        )

    def test_figures_draw_every_cosine_and_ratio(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        planted = self.plant(scope, rng)
        finding = Gradients().analyse(scope)
        cosine, ratio, kept, _ = finding.figures
        assert len(kept.series[0].y) == 2
        for row in range(3):
            wanted = [self.cosines(planted[row, k]).mean() for k in range(4)]
            assert cosine.series[row].y == pytest.approx(tuple(wanted))
            signals = [
                np.log10(
                    (planted[row, 3]["measured"][:, :, 0] ** 2).sum(axis=-1)
                    / planted[row, k]["measured"].var(axis=2, ddof=1).sum(axis=-1)
                ).mean()
                for k in range(3)
            ]
            assert ratio.series[row].y == pytest.approx(tuple(10 ** (each / 2) for each in signals))
        change = self.cosines(planted[2, 1]) - self.cosines(planted[1, 1])
        seen = mean_of(change).p_value < 0.05
        assert finding.answer is not None
        assert ("from depth 1 to 3 at random weights: the change is" in finding.answer) == seen
        assert finding.provenance["draws"] == 6 and finding.provenance["repetitions"] == 4
