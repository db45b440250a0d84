"""Task, noise scale, shots and transfer on made-up returns: answers come out either way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qhw.errors import DataError
from qhw.files import write_json
from qhw.runs.directory import RunDirectory
from qhw.studies.finding import Estimate, Finding, Table
from qhw.studies.measured.conditions import (
    BaselineCondition,
    Condition,
    Setting,
    facts_path,
    path_of,
)
from qhw.studies.measured.seed_rows import SeedRows, baselines
from qhw.studies.measured.training_groups import group_runs
from qhw.studies.questions.noise_scale import SCALES, NoiseScale
from qhw.studies.questions.noise_scale import _settings as scales_of
from qhw.studies.questions.prices import picture_seconds, quoted
from qhw.studies.questions.recovery import MORE_SHOTS, remedies
from qhw.studies.questions.shots import Shots
from qhw.studies.questions.shots import _settings as shots_of
from qhw.studies.questions.task import Task
from qhw.studies.questions.task_tables import settings_of
from qhw.studies.questions.transfer import Transfer, _devices, _Places
from qhw.studies.sizes import Sizes
from qhw.studies.store import read_arrays, write_arrays
from qhw.studies.study import Scope
from tests.qhw.studies.conftest import FEW_LATENTS, LATENTS, made_up_run, pretend

DEVICE = "fake_nairobi"
Effect = Callable[[Setting], float]


NOISY = {"name": "aer_noisy", "device": DEVICE}


@pytest.fixture
def seeds(tmp_path: Path) -> tuple[RunDirectory, ...]:
    return tuple(made_up_run(tmp_path / "runs", f"seed{k}", seed=k) for k in (1, 2, 3))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng([len(request.node.name), 3])


class World:
    """A report's files, made up: gain of the policy over the constant by setting."""

    def __init__(self, scope: Scope, rng: np.random.Generator) -> None:
        self.scope, self._rng = scope, rng
        self._base = rng.standard_normal(LATENTS)
        for each in baselines(scope):
            pretend(scope, each, self._base + (0.3 if each.kind == "rule" else 0.0))

    def play_scales(self, effect: Effect, spread: float = 0.05) -> None:
        self.play(scales_of(self.scope), effect, spread)

    def play(self, settings: list[Setting], effect: Effect, spread: float = 0.05) -> None:
        for group in group_runs(self.scope.runs):
            for run in group.runs:
                offsets = spread * self._rng.standard_normal(LATENTS)
                for setting in dict.fromkeys(settings):
                    condition = Condition(run, setting, LATENTS)
                    jitter = spread / 10 * self._rng.standard_normal(LATENTS)
                    returns = self._base + effect(setting) + (offsets + jitter) * (spread > 0)
                    pretend(self.scope, condition, returns)


def world(runs: tuple[RunDirectory, ...], folder: Path, rng: np.random.Generator) -> World:
    return World(Scope(runs, folder, DEVICE, FEW_LATENTS), rng)


def falling(setting: Setting) -> float:
    """Gain 0.2, gone at three times the errors."""
    scale = setting.noise_scale if setting.device else 0.0
    return 0.2 - scale * 0.2 / 3


def level(_: Setting) -> float:
    return 0.2


def nothing(_: Setting) -> float:
    return 0.0


def table(finding: Finding, identifier: str) -> Table:
    return next(each for each in finding.tables if each.id == identifier)


def said(finding: Finding) -> str:
    assert finding.answer is not None, finding.refusal
    return finding.answer


@pytest.mark.usefixtures("seeds")
class TestNoiseScale:
    def test_the_break_point_is_found(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(falling)
        finding = NoiseScale().analyse(made.scope)
        assert "The break point, where that is gone, lies at " in said(finding)
        [place] = [r.value for r in finding.figures[0].references if r.axis == "x"]
        assert place == pytest.approx(3, abs=0.3)

    def test_errors_at_their_limit_are_told(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(falling)
        finding = NoiseScale().analyse(made.scope)
        assert any("meets its physical limit" in note for note in finding.notes)
        largest = scales_of(made.scope)[-1]
        path = facts_path(made.scope, Condition(made.scope.runs[0], largest, LATENTS))
        facts = json.loads(path.read_text())
        facts["backend"]["noise caps"] = "1 gate errors capped"
        write_json(path, facts)
        told = "own gates and qubits at their limit: times 8: 1 gate errors capped."
        assert any(told in note for note in NoiseScale().analyse(made.scope).notes)

    def test_noise_that_does_nothing(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(level)
        finding = NoiseScale().analyse(made.scope)
        assert f"not before {SCALES[-1]:g}" in said(finding)
        assert re.search(r"at 8 times them \+0\.(19|20)\d .* is left", said(finding))
        assert not [r for r in finding.figures[0].references if r.name == "break point"]

    def test_a_policy_equal_to_the_constant_claims_nothing(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(nothing, spread=0.0)
        assert "no advantage that noise could eat" in said(NoiseScale().analyse(made.scope))

    def test_one_seed_makes_no_claim(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds[:1], tmp_path, rng)
        made.play_scales(falling)
        finding = NoiseScale().analyse(made.scope)
        assert finding.answer is None
        assert "One training seed" in (finding.refusal or "")
        assert "break point" in (finding.observed or "")
        assert finding.figures and finding.tables


class TestShots:
    def test_enough_shots_are_found_and_priced(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)

        def effect(setting: Setting) -> float:
            return 0.2 - (0 if setting.shots is None else 6.4 / setting.shots)

        made.play([Setting(DEVICE), *shots_of(made.scope)], effect)
        finding = Shots().analyse(made.scope)
        # A tenth of 0.2 is lost between 256 shots (0.025) and 1024 (0.00625), straight over log2.
        told = re.search(r"Beyond (\d+) \[(\d+), (\d+)\] shots", said(finding))
        assert told is not None
        value, low, high = map(int, told.groups())
        assert low <= 370 <= high and value == pytest.approx(370, rel=0.1)
        priced = re.search(r"takes ([\d.]+) \[([\d.]+), ([\d.]+)\] QPU seconds, \$", said(finding))
        assert priced is not None
        for seconds, shots in zip(priced.groups(), (value, low, high), strict=True):
            expected = picture_seconds(quoted(seeds[0].config, shots))
            assert float(seconds) == pytest.approx(expected, abs=0.06)
        [place] = [r.value for r in finding.figures[1].references if r.axis == "x"]
        assert place == pytest.approx(value, abs=1)
        rows = finding.tables[0].rows
        prices = [row[4] for row in rows[:-1]]
        assert all(float(str(a)) < float(str(b)) for a, b in pairwise(prices))
        assert [row[0] for row in rows] == [*map(str, made.scope.sizes.task_shots), "exact"]

    def test_never_enough(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(
            [Setting(DEVICE), *shots_of(made.scope)],
            lambda setting: 0.2 if setting.shots is None else 0.1,
        )
        finding = Shots().analyse(made.scope)
        assert "could not be shown" in said(finding)
        assert any("with 80 % power takes" in note for note in finding.notes)

    def test_fewer_shots_than_were_played_may_do(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play([Setting(DEVICE), *shots_of(made.scope)], level)
        assert "Beyond 64 [below 64, 64] shots" in said(Shots().analyse(made.scope))

    def test_a_policy_equal_to_the_constant_claims_nothing(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play([Setting(DEVICE), *shots_of(made.scope)], nothing, spread=0.0)
        assert "cannot buy an advantage that is not there" in said(Shots().analyse(made.scope))


class TestTask:
    def test_the_matrix_of_training_and_evaluation(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        runs = (*seeds, made_up_run(tmp_path / "runs", "noisy", backend=NOISY))
        made = world(runs, tmp_path, rng)
        made.play(settings_of(made.scope), lambda each: 0.2 if not each.device else 0.0)
        finding = Task().analyse(made.scope)
        matrix = finding.figures[0]
        assert [row.name for row in matrix.series] == ["trained noiseless", f"trained on {DEVICE}"]
        assert matrix.series[0].x[0] == "noiseless"
        assert "keeps no advantage" in said(finding)
        columns = 3 + len(remedies(DEVICE))
        assert len(finding.tables[0].rows) == 2 * columns + 2
        assert finding.galleries[0].rows[0].name == "constant 2, the best"

    def test_an_advantage_that_noise_leaves(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), level)
        answer = said(Task().analyse(made.scope))
        assert "keeps its advantage" in answer
        assert "The confidence rule, which needs no circuit, gains +0.300" in answer
        assert "No change by noise is seen" in answer
        assert "no mitigation is seen to change the return" in answer

    def test_what_noise_takes_is_told_by_its_size(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), lambda each: 0.15 if each.device else 0.2)
        answer = said(Task().analyse(made.scope))
        found = re.search(r"Noise changes it by -0\.0\d+ .* of return, -(\d+)% of the gain", answer)
        assert found is not None and abs(int(found[1]) - 25) <= 5

    def test_mitigation_is_priced_by_what_it_gives_back(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        gained = {"none": 0.1, "readout": 0.1, "affine": 0.15, "zne": 0.2}
        made.play(settings_of(made.scope), lambda each: gained[each.mitigation])
        finding = Task().analyse(made.scope)
        rows = {str(row[1]): row for row in table(finding, "mitigation").rows}
        assert rows["readout"][8] is None and rows[MORE_SHOTS][8] is None
        zne = rows["zne"][8]
        assert isinstance(zne, Estimate)
        price = float(str(rows["zne"][7]))
        assert zne.value == pytest.approx(price * 0.01 / 0.1, rel=0.05)
        assert zne.low <= zne.value <= zne.high
        shots = rows[MORE_SHOTS][7]
        assert isinstance(shots, float)
        assert price == shots > 0, "twice the circuits cost what twice the shots do"
        assert re.search(
            r"affine \+0.0\d+ \S+ \S+, (4|5)\d% of the noiseless gain, at no price per picture "
            r"after \d+ QPU s",
            said(finding),
        )
        assert re.search(r"zne \+0.\d+ .* at \$\d.\d+ more per picture \(\$", said(finding))
        assert "readout" not in said(finding)
        notes = " ".join(finding.notes)
        assert re.search(r"At equal price, zne minus twice the shots .*: \+0\.(09|10)", notes)

    def test_a_remedy_that_takes_return_is_told(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), lambda each: 0.1 if each.mitigation == "zne" else 0.2)
        finding = Task().analyse(made.scope)
        assert re.search(r"mitigation changes the return: zne -0\.(09|10)", said(finding))
        [zne] = [row for row in table(finding, "mitigation").rows if row[1] == "zne"]
        assert zne[8] is None
        assert any("see" in note and "no mitigation" in note for note in finding.notes)

    def test_a_policy_equal_to_the_constant_claims_nothing(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), nothing, spread=0.0)
        assert "no advantage that noise could eat" in said(Task().analyse(made.scope))

    def test_training_backends_are_compared_where_seeds_pair(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        others = [made_up_run(tmp_path / "runs", f"n{k}", seed=k, backend=NOISY) for k in (4, 2, 1)]
        expected = {
            "by seed (1, 2);": (*seeds, *others),
            "by seed (1); one seed says nothing": (seeds[0], *others),
            "no seed was trained both ways": (seeds[0], others[0]),
        }
        for number, (told, runs) in enumerate(expected.items()):
            made = world(runs, tmp_path / str(number), rng)
            made.play(settings_of(made.scope), level)
            assert told in " ".join(Task().analyse(made.scope).notes)

    def test_pairs_are_of_one_seed_whatever_the_order(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        others = [made_up_run(tmp_path / "runs", f"n{k}", seed=k, backend=NOISY) for k in (2, 1)]
        made = world((*seeds[:2], *others), tmp_path, rng)
        made.play(settings_of(made.scope), level)
        for run in made.scope.runs:
            condition = Condition(run, Setting(DEVICE), LATENTS)
            better = 0.5 * (run.config.seed == 2) + 0.1 * (run.config.backend.name == "aer")
            pretend(made.scope, condition, better + made._base)
        notes = " ".join(Task().analyse(made.scope).notes)
        assert "both played under fake_nairobi's noise: +0.1000 [+0.1000, +0.1000]" in notes

    def test_intervals_stay_where_means_can_be(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), level)
        for run in seeds:
            path = path_of(made.scope, Condition(run, Setting(DEVICE), LATENTS))
            arrays = read_arrays(path)
            arrays["judge_0/correct"] = (rng.random(LATENTS) < 0.97).astype(float)
            arrays["lpips"] = (rng.random(LATENTS) < 0.05) * 0.01
            write_arrays(path, arrays)
        finding = Task().analyse(made.scope)
        accuracy, lpips = (
            table(finding, "judge_0").rows[1][2],
            table(finding, "likeness").rows[0][4],
        )
        assert isinstance(accuracy, Estimate) and isinstance(lpips, Estimate)
        assert accuracy.low < accuracy.value < accuracy.high <= 1
        assert 0 <= lpips.low < lpips.value < lpips.high

    def test_a_mitigation_that_does_not_fit_is_left_empty(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), level)
        refused = Condition(seeds[1], settings_of(made.scope)[4], LATENTS)
        path_of(made.scope, refused).unlink()
        write_json(facts_path(made.scope, refused), {**refused.facts, "refused": "slope 0.2"})
        finding = Task().analyse(made.scope)
        assert finding.figures[1].series[0].y[4] is None
        assert finding.figures[0].series[0].x == ("noiseless", "noise, exact", "noise, 1024 shots")
        assert any("slope 0.2" in note for note in finding.notes)
        assert "affine" not in [row[1] for row in table(finding, "mitigation").rows]


class TestTransfer:
    def places(self, scope: Scope) -> _Places:
        places = _Places(DEVICE, tuple(_devices(scope)), (f"{DEVICE}@2024-01-01",))
        places.write(scope)
        return places

    def test_devices_that_differ_are_named(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        places = self.places(made.scope)
        made.play(places.settings, lambda each: -0.1 if each.device == "fake_fez" else 0.2)
        finding = Transfer().analyse(made.scope)
        assert f"On 6 of {len(places.settings) - 2} snapshots" in said(finding)
        assert "the return differs on: fake_fez -0." in said(finding)
        assert "the least gain is -0.1" in said(finding)
        assert any("No difference is seen between" in note for note in finding.notes)
        assert len(finding.figures[0].series) == 5

    def test_devices_that_are_all_alike(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(self.places(made.scope).settings, level, spread=0.0)
        assert "None is seen to differ" in said(Transfer().analyse(made.scope))

    def test_another_device_at_home_must_be_acquired(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        self.places(made.scope)
        other = Scope(seeds, tmp_path, "fake_lagos", FEW_LATENTS)
        with pytest.raises(DataError, match="was not measured yet"):
            Transfer().analyse(other)

    def test_two_families_and_no_device_that_was_trained_on(self, tmp_path: Path) -> None:
        run = made_up_run(tmp_path, "noisy", backend=NOISY)
        for sizes, least in ((Sizes.quick(), 5), (Sizes.full(), 10)):
            names = _devices(Scope((run,), tmp_path, "fake_kyiv", sizes))
            assert "fake_fez" in names
            assert len(names) >= least
            assert "fake_kyiv" not in names
            assert {"fake_sherbrooke", "fake_torino"} <= set(names)

    def test_the_snapshot_of_a_device_that_was_trained_on_counts_as_seen(
        self, tmp_path: Path
    ) -> None:
        run = made_up_run(tmp_path, "paid", backend={"name": "ibm_fez"})
        assert "fake_fez" not in _devices(Scope((run,), tmp_path, "fake_kyiv"))


def test_returns_are_rows_by_seed(seeds: Any, tmp_path: Path, rng: Any) -> None:
    made = world(seeds, tmp_path, rng)
    made.play([Setting(DEVICE)], level)
    gathered = SeedRows(made.scope, group_runs(seeds)[0])
    returns: NDArray[np.float64] = gathered.returns([Setting(DEVICE)])
    assert returns.shape == (1, 3, LATENTS)
    assert isinstance(baselines(made.scope)[0], BaselineCondition)
