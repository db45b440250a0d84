"""Conditions: played once, on the same latents everywhere, read without a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from calibration import DeviceSnapshot
from policy.backend import FloatArray
from qhw.config import parse_config
from qhw.devices.session import Display
from qhw.devices.snapshots import SnapshotStore
from qhw.errors import CheckpointError, DataError, MitigationError
from qhw.evaluation.beside_baselines import compare_arms
from qhw.evaluation.judges import PairedLatents, evaluation_latents
from qhw.known import open_snapshot
from qhw.runs.directory import RunDirectory, create_run
from qhw.studies.measured import playing
from qhw.studies.measured.conditions import (
    NOISELESS,
    BaselineCondition,
    Condition,
    Refused,
    Setting,
    is_settled,
    newest_update,
    outcome,
    path_of,
    played,
)
from qhw.studies.measured.playing import acquire_conditions, played_config
from qhw.studies.study import Scope
from qhw.training.player import Player

NOISY = Setting("fake_nairobi")
SAMPLED = Setting("fake_nairobi", shots=64)


@pytest.fixture
def scope(tiny: RunDirectory, tmp_path: Path) -> Scope:
    return Scope((tiny,), tmp_path / "report", "fake_nairobi")


def condition(scope: Scope, setting: Setting, latents: int = 40) -> Condition:
    return Condition(scope.runs[0], setting, latents)


def test_the_same_latents_everywhere(scope: Scope) -> None:
    asked: list[Condition | BaselineCondition]
    asked = [condition(scope, each) for each in (NOISELESS, NOISY, SAMPLED)]
    asked += [BaselineCondition(scope.runs[0], kind, 40) for kind in ("constant", "rule")]
    seen: list[FloatArray] = []

    def watched(*arguments: Any) -> PairedLatents:
        paired = evaluation_latents(*arguments)
        seen.append(np.concatenate([paired.latents.flatten().numpy(), paired.labels.numpy()]))
        return paired

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "evaluation_latents", watched)
        acquire_conditions(scope, asked)
    assert len(seen) == 5
    assert all(np.array_equal(each, seen[0]) for each in seen)
    assert all(len(played(scope, each).returns) == 40 for each in asked)


def test_a_setting_that_came_later_is_no_part_of_an_identity_where_it_is_left_out(
    tmp_path: Path,
) -> None:
    """What reports of earlier versions measured is still found."""

    def key(**environment: Any) -> str:
        config = parse_config({"environment": environment})
        run = create_run(tmp_path, config)
        run.write_provenance({"bundle": {"digest": "0" * 16}})
        return BaselineCondition(run, "rule", 40).key

    earlier = "98c4618c871ed1fece06d50b"
    assert key() == earlier
    assert key(precision="bf16") != earlier


def test_the_numbers_are_those_of_the_evaluation(scope: Scope) -> None:
    player = Player.of(scope.runs[0], go_on=True)
    rows = compare_arms(player, 40, full=False, display=Display(Console(quiet=True)))
    constant = BaselineCondition(scope.runs[0], "constant", 40)
    acquire_conditions(scope, [condition(scope, NOISELESS), constant])
    own, other = played(scope, condition(scope, NOISELESS)), played(scope, constant)
    assert own.returns.mean() == pytest.approx(rows.policy.mean_return.estimate, abs=1e-6)
    assert own.frechet["judge_0"] == pytest.approx(rows.policy.views["judge_0"].frechet, abs=1e-6)
    assert (own.returns - other.returns).mean() == pytest.approx(
        rows.policy.gain.estimate, abs=1e-6
    )
    assert other.facts["name"] == rows.constant.name


def test_nothing_is_played_twice(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    scope = replace(scope, tell=told.append)
    acquire_conditions(scope, [condition(scope, SAMPLED)])
    assert len(told) == 2, "the noiseless one comes first, to be compared with"
    before = path_of(scope, condition(scope, SAMPLED)).read_bytes()
    monkeypatch.setattr(playing, "Player", None)
    acquire_conditions(scope, [condition(scope, SAMPLED), condition(scope, NOISELESS)])
    assert len(told) == 2
    assert path_of(scope, condition(scope, SAMPLED)).read_bytes() == before


def test_what_was_stopped_half_way_is_played_again(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(playing, "write_arrays", stop)
        with pytest.raises(KeyboardInterrupt):
            acquire_conditions(scope, [condition(scope, NOISELESS)])
    assert not is_settled(scope, condition(scope, NOISELESS))
    acquire_conditions(scope, [condition(scope, NOISELESS)])
    assert is_settled(scope, condition(scope, NOISELESS))


def test_a_condition_is_known_by_all_it_depends_on(scope: Scope) -> None:
    settings = [
        NOISELESS,
        NOISY,
        SAMPLED,
        Setting("fake_lagos"),
        Setting("fake_nairobi", 2.0),
        Setting("fake_nairobi", shots=64, mitigation="readout"),
    ]
    keys = {condition(scope, each).key for each in settings}
    assert len(keys) == len(settings)
    assert condition(scope, NOISELESS, 41).key not in keys
    folder = scope.runs[0].path / "checkpoints" / "00099"
    before = condition(scope, NOISELESS).key
    folder.mkdir()
    try:
        assert newest_update(scope.runs[0]) == 99
        assert condition(scope, NOISELESS).key != before
    finally:
        folder.rmdir()


def test_likeness_is_to_the_noiseless_policys_pictures(scope: Scope) -> None:
    quiet = Setting("fake_nairobi", 0.0)
    acquire_conditions(scope, [condition(scope, quiet), condition(scope, NOISY)])
    silent = played(scope, condition(scope, quiet))
    noisy = played(scope, condition(scope, NOISY))
    assert silent.likeness["ssim"].mean() == pytest.approx(1, abs=1e-4)
    assert silent.likeness["lpips"].mean() == pytest.approx(0, abs=1e-4)
    assert noisy.likeness["psnr"].mean() < silent.likeness["psnr"].mean() <= 100
    assert played(scope, condition(scope, NOISELESS)).likeness == {}
    assert noisy.pictures.shape == (8, 1, 16, 16)


def test_a_mitigation_that_does_not_fit_is_kept_as_a_reason(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MitigationError("slope 0.2", "Take another.")

    asked = condition(scope, Setting("fake_nairobi", shots=64, mitigation="affine"))
    acquire_conditions(scope, [condition(scope, NOISELESS)])
    monkeypatch.setattr(playing, "_opened", refuse)
    acquire_conditions(scope, [asked])
    assert is_settled(scope, asked)
    assert outcome(scope, asked) == Refused("slope 0.2")
    with pytest.raises(DataError, match=r"slope 0\.2"):
        played(scope, asked)


def test_a_run_trained_with_shots_is_played_exactly() -> None:
    backend = {"name": "aer_noisy", "shots": 64, "noise_scale": 2.0, "mitigation": "readout"}
    config = parse_config({"backend": backend})
    assert played_config(config, NOISELESS).backend.shots is None
    exact = played_config(config, NOISY).backend
    assert (exact.shots, exact.noise_scale, exact.mitigation) == (None, 1.0, "none")


def test_a_kept_snapshot_of_another_day(scope: Scope, own_data: None) -> None:
    shipped = open_snapshot("fake_nairobi")
    worse = DeviceSnapshot(
        shipped.name,
        "2024-05-06T07:08:09+00:00",
        shipped.dt,
        tuple(replace(qubit, p01=0.3, p10=0.3) for qubit in shipped.qubits),
        shipped.gates,
    )
    name = SnapshotStore.of_user().keep(worse).name
    other = condition(scope, Setting(name))
    acquire_conditions(scope, [other, condition(scope, NOISY)])
    facts = played(scope, other).facts["backend"]
    assert worse.calibration_digest in facts["calibration"]
    here, there = played(scope, condition(scope, NOISY)), played(scope, other)
    assert not np.array_equal(here.returns, there.returns)
    assert facts["layout"] == here.facts["backend"]["layout"]


def test_what_is_missing_says_how_to_get_it(scope: Scope) -> None:
    with pytest.raises(DataError, match="was not measured yet") as raised:
        played(scope, condition(scope, NOISY))
    assert "--step acquire" in raised.value.hint
    with pytest.raises(CheckpointError, match="no checkpoint"):
        newest_update(RunDirectory(scope.folder))
