"""What noise does to the task, and mitigation gives back, on made-up returns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.files import write_json
from qhw.studies.finding import Estimate, Finding
from qhw.studies.measured.conditions import (
    Condition,
    Setting,
    facts_path,
    path_of,
)
from qhw.studies.questions.remedies import MORE_SHOTS, remedies
from qhw.studies.questions.task import Task
from qhw.studies.questions.task_tables import settings_of
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.store import read_arrays, write_arrays
from tests.qhw.studies.by_hand import (
    assert_mean,
    column,
    holm_by_hand,
    mean_of,
    pairs_needed,
    table_of,
    value_of,
)
from tests.qhw.studies.conftest import LATENTS, made_up_run, pretend
from tests.qhw.studies.made_up import (
    DEVICE,
    NOISY,
    Effect,
    World,
    level,
    nothing,
    said,
    table,
    world,
)


class TestTask:
    def test_the_matrix_of_training_and_evaluation(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        runs = (*seeds, made_up_run(tmp_path / "runs", "noisy", backend=NOISY))
        made = world(runs, tmp_path, rng)
        made.play(settings_of(made.scope), lambda each: 0.2 if not each.device else 0.0)
        finding = Task().analyse(made.scope)
        matrix = finding.figures[1]
        assert [row.name for row in matrix.series] == ["trained noiseless", f"trained on {DEVICE}"]
        assert matrix.series[0].x[0] == "noiseless"
        assert "keeps no advantage" in said(finding)
        columns = 3 + len(remedies(DEVICE))
        assert len(finding.tables[0].rows) == 2 * columns + 2
        assert finding.galleries[0].rows[0].name == "constant 1.74, best"

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
        told = r"Noise changes it by -0\.0\d+ .* of return, -(\d+)% \[-\d+%, -\d+%\] of the gain"
        found = re.search(told, answer)
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
            r"affine \+0.0\d+ \S+ \S+, \+(4|5)\d% \[\S+ \S+ of the noiseless gain, at no price "
            r"per picture after \d+ QPU s once; log p \+0.000 .* held-out judges",
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
        assert re.search(r"mitigation changes the return \(Holm\): zne -0\.(09|10)", said(finding))
        [zne] = [row for row in table(finding, "mitigation").rows if row[1] == "zne"]
        assert zne[8] is None
        nulls = ("No difference is seen between", "No difference between")
        assert any(n.startswith(nulls) and "no mitigation" in n for n in finding.notes)

    def test_a_policy_equal_to_the_constant_claims_nothing(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), nothing, spread=0.0)
        assert "no advantage that noise could eat" in said(Task().analyse(made.scope))

    @pytest.mark.slow  # four runs are played
    def test_training_backends_are_compared_where_seeds_pair(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        others = [made_up_run(tmp_path / "runs", f"n{k}", seed=k, backend=NOISY) for k in (4, 2, 1)]
        expected = {
            "by seed (1, 2)": (*seeds, *others),
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
        assert "affine, against none" not in finding.figures[0].series[0].x
        assert finding.figures[1].series[0].x == ("noiseless", "noise, exact", "noise, 1024 shots")
        assert any("slope 0.2" in note for note in finding.notes)
        assert "affine" not in [row[1] for row in table(finding, "mitigation").rows]


STEPS_PER_PICTURE, SECONDS_PER_SHOT = 3, 0.00035


class TestNumbers:
    """The finding's numbers against the returns that were planted."""

    def finding(self, made: World, effect: Effect, spread: float) -> Finding:
        made.play(settings_of(made.scope), effect, spread)
        return Task().analyse(made.scope)

    def test_returns_and_holm_over_all_cells_of_both_trainings(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        others = [made_up_run(tmp_path / "runs", f"n{k}", seed=k, backend=NOISY) for k in (1, 2)]
        made = world((*seeds, *others), tmp_path, rng)
        effects = {"none": 0.2, "readout": 0.1, "affine": 0.05, "zne": 0.3}
        finding = self.finding(made, lambda each: effects[each.mitigation], 0.3)
        returns = table_of(finding, "returns")
        settings = settings_of(made.scope)
        cells = [made.returns(setting, group) for group in (0, 1) for setting in settings]
        p_values = holm_by_hand([mean_of(each - made.constant).p_value for each in cells])
        for k, values in enumerate(cells):
            assert_mean(column(returns, "return")[k], values)
            assert_mean(column(returns, "minus the constant's")[k], values - made.constant)
            assert column(returns, "p (Holm)")[k] == pytest.approx(p_values[k])
        assert_mean(column(returns, "return")[-2], made.constant)
        none, rule = column(returns, "minus the constant's")[-2:]
        assert none is None
        assert_mean(rule, made.rule - made.constant)
        matrix = finding.figures[1]
        gains = [value_of(cell) for cell in column(returns, "minus the constant's")[:-2]]
        count = len(settings)
        assert [[*line.y] for line in matrix.series] == [gains[:3], gains[count : count + 3]]

    def test_every_difference_is_paired_and_judged(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        settings = settings_of(made.scope)
        made.play(settings, lambda each: 0.15 if each.device else 0.2, 0.3)
        planted: list[Any] = []
        for run in seeds:
            path = path_of(made.scope, Condition(run, Setting(DEVICE), LATENTS))
            arrays = read_arrays(path)
            arrays["judge_1/log_probability"] = -rng.random(LATENTS)
            write_arrays(path, arrays)
            planted.append(arrays["judge_1/log_probability"] + 0.1)
        finding = Task().analyse(made.scope)
        told = table_of(finding, "differences")
        names = column(told, "what is compared")
        assert names[0] == "noise, against none" and str(names[-1]).endswith("confidence rule")
        noiseless, noisy, sampled = (made.returns(each) for each in settings[:3])
        returns = column(told, "return")
        assert_mean(returns[0], noisy - noiseless)
        assert_mean(returns[1], sampled - noisy)
        assert_mean(
            returns[names.index("under noise, against the best constant")], noisy - made.constant
        )
        assert_mean(returns[-1], noisy - made.rule)
        assert_mean(column(told, "log p, judge 2", "nats")[0], planted)
        assert value_of(column(told, "log p, judge 1", "nats")[0]) == 0
        drawn, judge = finding.figures[0], finding.figures[3]
        assert drawn.kind == judge.kind == "forest"
        assert drawn.series[0].y[0] == value_of(returns[0])
        assert judge.series[0].y[0] == pytest.approx(float(np.mean(planted)))
        margin = 0.1 * float((noiseless - made.constant).mean())
        assert [each.value for each in drawn.references] == pytest.approx([-margin, margin])

    def test_the_verdict_tells_the_loss_and_takes_the_cheapest_help(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        gained = {"none": 0.1, "readout": 0.1, "affine": 0.15, "zne": 0.2}
        finding = self.finding(made, lambda each: gained[each.mitigation], 0.05)
        cost, remedy = finding.verdict
        assert cost.line == "noise_cost" and "the confidence rule" in cost.words
        noiseless, noisy = (made.returns(each) for each in settings_of(made.scope)[:2])
        assert_mean(cost.estimate, noisy - noiseless)
        # affine's map is fitted once and then costs nothing; zne gives more, and costs every time.
        assert remedy.number.startswith("affine, +0.0") and "2 of 4 do" in remedy.words

    def test_the_verdict_takes_no_mitigation_where_nothing_is_given_back(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        _, remedy = self.finding(made, level, 0.05).verdict
        assert (remedy.line, remedy.number, remedy.estimate) == ("mitigation", "none", None)

    def test_judges_and_likeness_are_means_of_what_was_judged(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(settings_of(made.scope), level)
        planted: dict[str, list[Any]] = {"correct": [], "log": [], "effect": [], "psnr": []}
        for run in seeds:
            path = path_of(made.scope, Condition(run, Setting(DEVICE), LATENTS))
            arrays = read_arrays(path)
            arrays["judge_1/correct"] = (rng.random(LATENTS) < 0.7).astype(float)
            arrays["judge_1/log_probability"] = -rng.random(LATENTS)
            arrays["judge_1/effect"] = rng.standard_normal(LATENTS)
            arrays["judge_1/effect"] -= arrays["judge_1/effect"].mean()
            arrays["psnr"] = 30 + rng.standard_normal(LATENTS)
            write_arrays(path, arrays)
            planted["correct"].append(arrays["judge_1/correct"])
            planted["log"].append(arrays["judge_1/log_probability"])
            planted["effect"].append(2.0 + arrays["judge_1/effect"])
            planted["psnr"].append(arrays["psnr"])
        finding = Task().analyse(made.scope)
        judged = table_of(finding, "judge_1")
        assert judged.title.startswith("In the eyes of judge 2")
        assert_mean(column(judged, "accuracy")[1], planted["correct"])
        assert_mean(column(judged, "log p", "nats")[1], planted["log"])
        assert_mean(column(judged, "Frechet")[1], planted["effect"])
        assert value_of(column(judged, "Frechet")[1]) == pytest.approx(2.0), "the distance itself"
        psnr = column(table_of(finding, "likeness"), "median PSNR", "dB")[0]
        assert value_of(psnr) == pytest.approx(float(np.median(planted["psnr"])))
        untouched = table_of(finding, "judge_0")
        assert {value_of(cell) for cell in column(untouched, "accuracy")} == {1.0}

    def test_remedies_are_priced_and_their_samples_are_counted(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        effects = {"none": 0.1, "readout": 0.1, "affine": 0.12, "zne": 0.2}
        finding = self.finding(made, lambda each: effects[each.mitigation], 0.05)
        tried, mitigation = remedies(DEVICE), table_of(finding, "mitigation")
        plain = made.returns(Setting(DEVICE, shots=1024))
        changes = [made.returns(setting) - plain for setting in tried.values()]
        p_values = holm_by_hand([mean_of(each).p_value for each in changes])
        noiseless = float((made.returns(settings_of(made.scope)[0]) - made.constant).mean())
        assert column(mitigation, "remedy") == list(tried)
        for k, change in enumerate(changes):
            assert_mean(column(mitigation, "return recovered")[k], change)
            assert column(mitigation, "p (Holm)")[k] == pytest.approx(p_values[k])
            spread = float(change.mean(axis=1).std(ddof=1))
            needed = pairs_needed(spread, 0.1 * noiseless, alpha=0.05 / len(changes))
            assert column(mitigation, "80 % power takes")[k] == needed
        # Twice the circuits, or twice the shots, of 1024: so much more of a picture's three jobs.
        more = STEPS_PER_PICTURE * SECONDS_PER_SHOT * 1024
        seconds = column(mitigation, "per picture", "QPU s")
        assert seconds == pytest.approx([0.0, 0.0, more, more])
        assert column(mitigation, "per picture", "$") == pytest.approx(
            [0, 0, 1.6 * more, 1.6 * more]
        )
        zne = column(mitigation, "per 0.01 recovered", "$")[2]
        recovered = column(mitigation, "return recovered")[2]
        assert isinstance(zne, Estimate) and isinstance(recovered, Estimate)
        assert zne.value == pytest.approx(1.6 * more * 0.01 / recovered.value)
        assert (zne.low, zne.high) == pytest.approx(
            (1.6 * more * 0.01 / recovered.high, 1.6 * more * 0.01 / recovered.low)
        )
        price = (made.returns(tried["zne"]) - made.returns(tried[MORE_SHOTS])).mean()
        told = f"At equal price, zne minus twice the shots (trained noiseless): {price:+.4f} ["
        assert any(note.startswith(told) for note in finding.notes)

    def test_what_noise_takes_is_paired_with_the_noiseless_return(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        answer = said(self.finding(made, lambda each: 0.15 if each.device else 0.2, 0.02))
        noiseless, noisy = (made.returns(each) for each in settings_of(made.scope)[:2])
        loss, gain = (noisy - noiseless).mean(), (noiseless - made.constant).mean()
        assert f"Noise changes it by {loss:+.4f} [" in answer
        assert f"of return, {loss / gain:+.0%} [" in answer

    def test_a_difference_too_small_is_told_as_none_that_matters(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        finding = self.finding(made, level, 0.3)
        noiseless, noisy = (made.returns(each) for each in settings_of(made.scope)[:2])
        worth = 0.1 * abs(float((noiseless - made.constant).mean()))
        [note] = [note for note in finding.notes if "between noise and none" in note]
        found = hierarchical_bootstrap(noisy - noiseless).estimate()
        assert -worth < found.low and found.high < worth
        assert f"lies within +-{worth:.2g}, a tenth of the gain." in note
