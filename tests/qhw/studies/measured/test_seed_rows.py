"""Rows by training seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.errors import DataError
from qhw.files import write_json
from qhw.studies.measured.conditions import NOISELESS, Setting, facts_path
from qhw.studies.measured.seed_rows import SeedRows, constant_and_rule
from qhw.studies.measured.training_groups import group_runs
from tests.qhw.studies.conftest import LATENTS
from tests.qhw.studies.made_up import DEVICE, world


def test_returns_are_rows_by_seed_in_the_order_of_settings(
    seeds: Any, tmp_path: Path, rng: Any
) -> None:
    made = world(seeds, tmp_path, rng)
    settings = [NOISELESS, Setting(DEVICE)]
    made.play(settings, lambda setting: 0.5 if setting.device else 1.0, spread=0.0)
    rows = SeedRows(made.scope, group_runs(seeds)[0])
    returns = rows.returns(settings)
    assert returns.shape == (2, 3, LATENTS)
    assert returns[0] - returns[1] == pytest.approx(np.full((3, LATENTS), 0.5))
    constant, rule = constant_and_rule(made.scope)
    assert rows.gains(settings, constant).value == pytest.approx([1.0, 0.5])
    assert rows.gains(settings, rule).value == pytest.approx([0.7, 0.2])
    assert rows.note == "The controller was trained noiseless (seed1, seed2, seed3)."


def test_a_setting_that_one_seed_could_not_be_played_on_is_refused_for_all(
    seeds: Any, tmp_path: Path, rng: Any
) -> None:
    made = world(seeds, tmp_path, rng)
    made.play([Setting(DEVICE)], lambda _: 1.0)
    rows = SeedRows(made.scope, group_runs(seeds)[0])
    assert rows.refusal(Setting(DEVICE)) == ""
    last = rows.condition(seeds[2], Setting(DEVICE))
    write_json(facts_path(made.scope, last), {**last.facts, "refused": "slope 0.2"})
    assert rows.refusal(Setting(DEVICE)) == "slope 0.2"
    with pytest.raises(DataError, match=r"slope 0\.2"):
        rows.returns([Setting(DEVICE)])
