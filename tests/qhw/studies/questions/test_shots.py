"""How many shots are enough, on made-up returns."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from qhw.studies.measured.conditions import (
    Setting,
)
from qhw.studies.questions.prices import picture_seconds, quoted
from qhw.studies.questions.shots import Shots
from qhw.studies.questions.shots import _settings as shots_of
from tests.qhw.studies.by_hand import assert_mean, column, pairs_needed, value_of
from tests.qhw.studies.made_up import DEVICE, level, nothing, said, world


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
        [place] = [r.value for r in finding.figures[0].references if r.axis == "x"]
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


def seconds_by_hand(shots: float, circuits: int = 1) -> float:
    """QPU seconds of one of 16 pictures: 3 steps, each a job of 2 s and 0.35 ms per shot."""
    return 3 * (2.0 / 16 + 0.00035 * circuits * shots)


class TestNumbers:
    """The finding's numbers against the returns that were planted."""

    def test_the_table_holds_what_was_played_and_what_it_costs(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        settings = [Setting(DEVICE), *shots_of(made.scope)]
        made.play(settings, lambda setting: 0.2 - 3 / (setting.shots or 1e9), spread=0.3)
        finding = Shots().analyse(made.scope)
        [table] = finding.tables
        exact = made.returns(settings[0])
        for k, setting in enumerate(settings[1:]):
            returns = made.returns(setting)
            assert_mean(column(table, "minus the constant's")[k], returns - made.constant)
            assert_mean(column(table, "minus exact values'")[k], returns - exact)
            seconds = seconds_by_hand(setting.shots or 0)
            assert column(table, "QPU time per picture", "s")[k] == pytest.approx(seconds)
            assert column(table, "price per picture", "$")[k] == pytest.approx(1.6 * seconds)
        assert_mean(column(table, "minus the constant's")[-1], exact - made.constant)
        assert table.rows[-1][2:] == (None, None, None)
        losses, gains = finding.figures
        assert gains.series[0].y == tuple(map(value_of, column(table, "minus the constant's")[:-1]))
        assert losses.series[0].y == tuple(map(value_of, column(table, "minus exact values'")[:-1]))
        margin = finding.provenance["margin"]
        assert margin == pytest.approx(0.1 * float((exact - made.constant).mean()))

    def test_the_shots_of_an_exact_curve_and_their_price(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        """A loss of 6.4 / shots meets a tenth of 0.2 between 256 and 1024, straight in log2."""
        made = world(seeds, tmp_path, rng)
        settings = [Setting(DEVICE), *shots_of(made.scope)]
        made.play(settings, lambda each: 0.2 - (6.4 / each.shots if each.shots else 0), spread=0.0)
        finding = Shots().analyse(made.scope)
        above, below = 6.4 / 256 - 0.02, 6.4 / 1024 - 0.02
        shots = 2 ** (8 + 2 * above / (above - below))
        [place] = [r for r in finding.figures[0].references if r.axis == "x"]
        assert place.value == pytest.approx(shots)
        seconds = seconds_by_hand(shots)
        assert f"Beyond {shots:.0f} [{shots:.0f}, {shots:.0f}] shots" in said(finding)
        assert f"a picture takes {seconds:.1f} [" in said(finding)
        [verdict] = finding.verdict
        assert verdict.number == f"{shots:.0f} [{shots:.0f}, {shots:.0f}]"
        assert f"A picture then takes {seconds:.1f} [" in verdict.words
        assert f"QPU seconds, ${1.6 * seconds:.2f} [" in said(finding)

    def test_the_sample_that_would_have_seen_the_loss(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        made = world(seeds, tmp_path, rng)
        settings = [Setting(DEVICE), *shots_of(made.scope)]
        made.play(settings, lambda each: 0.1 if each.shots else 0.2, spread=0.05)
        finding = Shots().analyse(made.scope)
        differences = (made.returns(settings[-1]) - made.returns(settings[0])).mean(axis=1)
        margin = 0.1 * float((made.returns(settings[0]) - made.constant).mean())
        needed = pairs_needed(float(differences.std(ddof=1)), margin)
        told = f"with 80 % power takes {needed} training seeds (there were 3)."
        assert any(told in note for note in finding.notes)
