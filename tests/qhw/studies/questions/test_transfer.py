"""Other devices and other days, on made-up returns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qhw.errors import DataError
from qhw.studies.measured import layouts
from qhw.studies.measured.conditions import Setting
from qhw.studies.questions.transfer import Transfer, _devices, _Places
from qhw.studies.sizes import Sizes
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import (
    assert_mean,
    column,
    holm_by_hand,
    mean_of,
    table_of,
    value_of,
)
from tests.qhw.studies.conftest import FEW_LATENTS, LATENTS, made_up_run
from tests.qhw.studies.made_up import DEVICE, NOISY, World, level, said, world

SQUARES = (4e-4, 9e-4, 1e-4)


def write(places: _Places, scope: Scope) -> None:
    """As if the places were acquired, with three layouts on each."""
    places.write(scope)
    squares = np.array(SQUARES)[:, None, None] * np.ones((3, len(scope.runs), 4))
    arrays = {"squares": squares, "gates": np.array([17, 26, 8]), "scores": np.full(3, 0.2)}
    for device in places.laid_out(scope):
        scope.store("layouts").keep(layouts._file(scope, device), arrays)


class TestTransfer:
    def places(self, scope: Scope) -> _Places:
        places = _Places(DEVICE, tuple(_devices(scope)), (f"{DEVICE}@2024-01-01",))
        write(places, scope)
        return places

    def test_layouts_scatter(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        places = self.places(made.scope)
        made.play(places.settings, level)
        finding = Transfer().analyse(made.scope)
        assert "Over 3 layouts on" in said(finding)
        assert "0.0200 in the median, from 0.0100 to 0.0300; the one that is played has 0.0200" in (
            said(finding)
        )
        table = table_of(finding, "layouts")
        assert column(table, "snapshot") == list(places.laid_out(made.scope))
        assert column(table, "two-qubit gates, fewest") == [8.0] * 3
        assert places.laid_out(made.scope)[:2] == (DEVICE, "fake_miami")

    def test_layouts_at_home_are_played_in_full(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        sizes = dataclasses.replace(FEW_LATENTS, layout_returns=True, part_latents=LATENTS)
        made = World(Scope(seeds, tmp_path, DEVICE, sizes), rng)
        places = self.places(made.scope)
        apart = [Setting(DEVICE, layout=k) for k in range(3)]
        made.play([*places.settings, *apart], lambda each: 0.2 - 0.1 * each.layout)
        table = table_of(Transfer().analyse(made.scope), "return_by_layout")
        first, *others = column(table, "return minus the first's")
        assert first is None and column(table, "RMSE") == pytest.approx([0.02, 0.03, 0.01])
        for cell, setting in zip(others, apart[1:], strict=True):
            assert_mean(cell, made.returns(setting) - made.returns(apart[0]))
        assert "Median -0.1" in table.reading

    def test_devices_that_differ_are_named(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        places = self.places(made.scope)
        made.play(places.settings, lambda each: -0.1 if each.device == "fake_fez" else 0.2)
        finding = Transfer().analyse(made.scope)
        assert f"On 7 of {len(places.settings) - 2} snapshots" in said(finding)
        assert "the return differs on: fake_fez -0." in said(finding)
        assert "the least gain is -0.1" in said(finding)
        nulls = ("No difference is seen between", "No difference between")
        assert any(note.startswith(nulls) for note in finding.notes)
        assert len(finding.figures[0].series) == 6

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
        for sizes, least in ((Sizes(), 5), (Sizes.full(), 10)):
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


class TestNumbers:
    """The finding's numbers against the returns that were planted."""

    def test_the_table_holds_what_was_played(self, seeds: Any, tmp_path: Path, rng: Any) -> None:
        made = world(seeds, tmp_path, rng)
        places = _Places(DEVICE, ("fake_fez", "fake_kyiv"), (f"{DEVICE}@2024-01-01",))
        write(places, made.scope)
        made.play(places.settings, lambda each: -0.1 if each.device == "fake_fez" else 0.2, 0.3)
        finding = Transfer().analyse(made.scope)
        table = table_of(finding, "transfer")
        home = made.returns(Setting(DEVICE))
        for k, setting in enumerate(places.settings):
            returns = made.returns(setting)
            assert_mean(column(table, "minus the constant's")[k], returns - made.constant)
            if k != 1:
                assert_mean(column(table, "minus at home")[k], returns - home)
        assert column(table, "minus at home")[1] is None
        assert column(table, "snapshot") == [
            "noiseless", DEVICE, "fake_fez", "fake_kyiv", f"{DEVICE}@2024-01-01",
        ]  # fmt: skip
        assert column(table, "family") == [None, None, "Heron (CZ)", "Eagle (ECR)", None]
        drawn = {
            str(name): y
            for line in finding.figures[0].series
            for name, y in zip(line.x, line.y, strict=True)
        }
        gains = map(value_of, column(table, "minus the constant's"))
        assert drawn == dict(zip(map(str, column(table, "snapshot")), gains, strict=True))

    @pytest.mark.parametrize("spread", [0.1, 0.4, 0.8])
    def test_verdicts_are_those_of_holms_tests(
        self, seeds: Any, tmp_path: Path, rng: Any, spread: float
    ) -> None:
        made = world(seeds, tmp_path, rng)
        devices = ("fake_fez", "fake_kyiv", "fake_torino", "fake_osaka")
        effects = dict(zip(devices, (0.25, 0.1, 0.19, 0.05), strict=True))
        places = _Places(DEVICE, devices, ())
        write(places, made.scope)
        made.play(places.settings, lambda each: effects.get(each.device, 0.2), spread)
        answer = said(Transfer().analyse(made.scope))
        returns = [made.returns(Setting(device)) for device in devices]
        gains = [mean_of(each - made.constant) for each in returns]
        kept = holm_by_hand([gain.p_value for gain in gains])
        above = sum(p < 0.05 and gain.value > 0 for p, gain in zip(kept, gains, strict=True))
        assert f"On {above} of 4 snapshots" in answer
        home = made.returns(Setting(DEVICE))
        p_values = holm_by_hand([mean_of(each - home).p_value for each in returns])
        for device, p_value, each in zip(devices, p_values, returns, strict=True):
            named = f"{device} {(each - home).mean():+.4f} [" in answer
            assert named == (p_value < 0.05), device
        least = min(range(4), key=lambda k: gains[k].value)
        assert f"the least gain is {gains[least].value:+.3f} [" in answer
        assert f"on {devices[least]}, against" in answer
