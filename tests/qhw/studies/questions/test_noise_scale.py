"""Where noise eats the advantage, on made-up returns: answers come out either way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.errors import DataError
from qhw.files import write_json
from qhw.studies.finding import Estimate
from qhw.studies.measured.conditions import (
    Condition,
    Setting,
    facts_path,
    path_of,
)
from qhw.studies.questions.noise_scale import SCALES, NoiseScale
from qhw.studies.questions.noise_scale import _settings as scales_of
from qhw.studies.questions.pictures import png_text
from qhw.studies.store import read_arrays, write_arrays
from tests.qhw.studies.by_hand import assert_mean, column
from tests.qhw.studies.conftest import LATENTS, made_up_run
from tests.qhw.studies.made_up import DEVICE, NOISY, falling, level, nothing, said, world


class TestNoiseScale:
    def test_the_break_point_is_found(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(falling)
        finding = NoiseScale().analyse(made.scope)
        assert "The break point, where that is gone, lies at " in said(finding)
        [place] = [r.value for r in finding.figures[0].references if r.axis == "x"]
        assert place == pytest.approx(3, abs=0.3)

    def test_the_verdict_and_the_pictures_are_of_the_break_point(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(falling)
        near = Condition(seeds[0], Setting(DEVICE, 2.0), LATENTS)
        arrays = read_arrays(path_of(made.scope, near))
        arrays["pictures"] = np.ones((8, 1, 16, 16))
        write_arrays(path_of(made.scope, near), arrays)
        finding = NoiseScale().analyse(made.scope)
        [verdict] = finding.verdict
        assert verdict.estimate is not None
        assert verdict.estimate.value == pytest.approx(3, abs=0.3)
        assert verdict.number.startswith(f"{verdict.estimate.value:.2g} [")
        [gallery] = finding.galleries
        told = [row.name for row in gallery.rows]
        assert told[0] == "noiseless" and told[2] == "difference, doubled"
        if verdict.estimate.value < 3:
            # From black to white: the difference is as light as it can be, no change is grey.
            assert told[1] == "2 times the errors"
            assert gallery.rows[2].pictures[0] == png_text(np.ones((1, 16, 16)))

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


class TestCrossings:
    """What is played beside the grid, and what is said of every training and seed."""

    def test_a_curved_loss_is_found_where_it_crosses(
        self, seeds: Any, tmp_path: Path, rng: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """0.2 is lost as the square of the noise, gone at 5.55; straight from 4 to 8 it is 5.2."""
        made = world(seeds, tmp_path, rng)

        def effect(setting: Setting) -> float:
            return 0.2 - 0.2 * ((setting.noise_scale if setting.device else 0.0) / 5.55) ** 2

        def play(_: object, settings: list[Setting]) -> None:
            made.play(settings, effect, spread=0.0)

        monkeypatch.setattr("qhw.studies.measured.seed_rows.SeedRows.acquire", play)
        NoiseScale().acquire(made.scope)
        [verdict] = NoiseScale().analyse(made.scope).verdict
        assert verdict.estimate is not None
        assert verdict.estimate.value == pytest.approx(5.55, abs=0.06)

    def test_seeds_and_trainings_are_told_apart(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        noisy = [made_up_run(tmp_path / "runs", f"n{k}", seed=k, backend=NOISY) for k in (1, 2)]
        made = world((*seeds, *noisy), tmp_path, rng)
        made.play_scales(falling, spread=0.0)
        finding = NoiseScale().analyse(made.scope)
        assert "Seed by seed it lies between 3 and 3." in said(finding)
        assert f"Of controllers trained on {DEVICE} it lies at 3 [3, 3] times." in said(finding)
        figure = finding.figures[0]
        assert len(figure.named) == 2 and len(figure.series) == 2 + 5
        assert len(finding.tables[0].rows) == 2 * len(SCALES)

    def test_what_was_not_looked_at_says_what_to_type(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        made.play(scales_of(made.scope), falling)
        with pytest.raises(DataError, match="was not looked at yet"):
            NoiseScale().analyse(made.scope)


class TestNumbers:
    """The finding's numbers against the returns that were planted."""

    def test_the_table_holds_what_was_played(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        made.play_scales(falling, spread=0.3)
        finding = NoiseScale().analyse(made.scope)
        settings, [table] = scales_of(made.scope), finding.tables
        assert column(table, "errors, times") == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]
        for k, setting in enumerate(settings):
            returns = made.returns(setting)
            assert_mean(column(table, "return")[k], returns)
            assert_mean(column(table, "minus the constant's")[k], returns - made.constant)
            assert_mean(column(table, "minus the rule's")[k], returns - made.rule)
        assert column(table, "mean guidance") == [2.0] * 6
        [line] = finding.figures[0].named
        points = zip(line.y, line.low, line.high, strict=True)
        cells = column(table, "minus the constant's")
        assert [*points] == [(c.value, c.low, c.high) for c in cells if isinstance(c, Estimate)]
        assert line.x == SCALES

    def test_the_break_point_of_an_exact_line(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        """0.2 at scale 0, 0.0667 at 2, -0.0667 at 4: the straight line meets 0 at 3."""
        made = world(seeds, tmp_path, rng)
        made.play_scales(falling, spread=0.0)
        finding = NoiseScale().analyse(made.scope)
        [place] = [r for r in finding.figures[0].references if r.axis == "x"]
        assert place.value == pytest.approx(3.0) and place.name == "break point at 3 [3, 3]"
        assert "gains +0.200 [+0.200, +0.200] without noise and +0.133" in said(finding)
        assert "lies at 3 [3, 3] times the device's errors." in said(finding)
        rule = next(r for r in finding.figures[0].references if r.name == "confidence rule")
        assert rule.value == pytest.approx(0.3)
        lost = "Against the confidence rule there is no advantage to lose: -0.100"
        assert any(note.startswith(lost) for note in finding.notes)

    def test_where_the_rule_is_as_good_is_found_as_well(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        """A gain of 0.6, lost by 0.15 per scale, meets the rule's 0.3 at 2 and 0 at 4."""
        made = world(seeds, tmp_path, rng)
        made.play_scales(
            lambda setting: 0.6 - 0.15 * (setting.noise_scale if setting.device else 0), spread=0.0
        )
        finding = NoiseScale().analyse(made.scope)
        assert "lies at 4 [4, 4] times" in said(finding)
        assert "Where the confidence rule is as good: at 2 [2, 2] times the device's errors." in (
            finding.notes
        )
