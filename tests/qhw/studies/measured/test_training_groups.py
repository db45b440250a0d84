"""Which runs a report may be about, and which count as seeds of one training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from qhw.config import parse_config
from qhw.errors import CheckpointError, ConfigError
from qhw.runs.directory import RunDirectory, create_run
from qhw.studies.measured.training_groups import (
    apart_from_companions,
    companion_kind,
    group_runs,
    training_name,
)
from tests.qhw.studies.conftest import TINY, made_up_run

OTHER_BACKEND = {"name": "aer_noisy", "device": "fake_nairobi"}


Copy = Callable[..., RunDirectory]


@pytest.fixture
def copies(tmp_path: Path) -> Copy:
    return partial(made_up_run, tmp_path)


def test_runs_are_grouped_by_their_training_backend(copies: Copy) -> None:
    runs = [copies("a"), copies("b", seed=1), copies("c", backend=OTHER_BACKEND)]
    groups = group_runs([runs[2], *runs[:2]])
    assert [group.name for group in groups] == ["trained on fake_nairobi", "trained noiseless"]
    assert [len(group.runs) for group in groups] == [1, 2]


def test_a_name_tells_scale_shots_and_mitigation(copies: Copy) -> None:
    backend = {**OTHER_BACKEND, "noise_scale": 2.0, "shots": 64, "mitigation": "affine"}
    named = training_name(copies("all", backend=backend))
    assert named == "trained on fake_nairobi x 2, 64 shots, affine"
    assert training_name(copies("device", backend={"name": "fake_fez"})) == "trained on fake_fez"


def test_a_backend_of_ones_own_is_not_called_by_the_settings(copies: Copy) -> None:
    run = copies("own")
    run.write_provenance({**run.read_json("provenance.json"), "backend": {"backend": "own: Faded"}})
    assert training_name(run) == "trained on Faded"
    assert [group.name for group in group_runs([run, copies("plain")])] == [
        "trained on Faded",
        "trained noiseless",
    ]


def test_runs_that_began_on_others(copies: Copy) -> None:
    begun = [copies(f"b{k}", seed=k, start_from=f"/runs/{k}") for k in (1, 2)]
    scratch = copies("scratch", seed=1)
    groups = group_runs([*begun, scratch])
    assert [group.name for group in groups] == [
        "trained noiseless, begun on another run",
        "trained noiseless",
    ]
    assert len(groups[0].runs) == 2
    with pytest.raises(ConfigError, match=r"2 of the runs .* began on /runs/1"):
        group_runs([*begun, copies("twin", seed=3, start_from="/runs/1")])


def test_no_run() -> None:
    with pytest.raises(ConfigError, match="No run was given"):
        group_runs([])


def test_an_untrained_run(tmp_path: Path, copies: Copy) -> None:
    bare = create_run(tmp_path, parse_config(TINY), "bare")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        group_runs([bare])
    first = copies("first")
    shutil.rmtree(first.path / "checkpoints" / "00001")
    with pytest.raises(CheckpointError, match="never trained") as raised:
        group_runs([first])
    assert "--resume" in raised.value.hint


def test_a_classical_actor(copies: Copy) -> None:
    classical = copies("classical")
    values = {key: value for key, value in TINY.items() if key not in ("actor", "backend")}
    classical.rewrite_config(parse_config({**values, "actor": {"kind": "mlp"}}))
    with pytest.raises(ConfigError, match="classical actor 'mlp'"):
        group_runs([classical])


def test_what_a_report_compares_with(copies: Copy) -> None:
    rings = [copies("a"), copies("b", seed=1)]
    network = copies("network", actor={"kind": "mlp_matched"})
    frozen = copies("frozen", gradient={"rule": "frozen"})
    subjects, beside = apart_from_companions([rings[0], network, rings[1], frozen])
    assert subjects == tuple(rings) and beside == (network, frozen)
    assert [companion_kind(run) for run in beside] == [
        "a classical actor, mlp_matched",
        "a circuit left as it was drawn",
    ]
    assert len(group_runs(subjects)) == 1
    begun = copies("begun", gradient={"rule": "frozen"}, start_from="/runs/a")
    assert apart_from_companions([rings[0], begun]) == ((rings[0], begun), ())
    # The first run is what the report is about, whatever it is.
    assert apart_from_companions([network, rings[0]]) == ((network, rings[0]), ())
    assert (
        apart_from_companions([frozen, copies("other", gradient={"rule": "frozen"}, seed=2)])[1]
        == ()
    )
    assert apart_from_companions([]) == ((), ())


def test_what_is_compared_with_must_be_comparable(copies: Copy) -> None:
    ring, network = copies("ring"), copies("network", actor={"kind": "mlp_matched"})
    shutil.rmtree(network.path / "checkpoints" / "00001")
    with pytest.raises(CheckpointError, match="never trained"):
        apart_from_companions([ring, network])
    steps = {"environment": {"steps": 4}, "actor": {"kind": "mlp_matched"}}
    with pytest.raises(ConfigError, match=r"environment\.steps"):
        apart_from_companions([ring, copies("longer", **steps)])


def test_different_models(copies: Copy) -> None:
    one, other = copies("one"), copies("other", seed=1)
    facts = other.read_json("provenance.json")
    facts["bundle"]["digest"] = "0" * 64
    (other.path / "provenance.json").write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="different models"):
        group_runs([one, other])


def test_another_reward_or_circuit(copies: Copy) -> None:
    one = copies("one")
    reward = copies("reward", environment={"reward": {"alpha": 2.0}})
    with pytest.raises(ConfigError, match=r"environment\.reward\.alpha"):
        group_runs([one, reward])
    circuit = copies("circuit", actor={"circuit": {"depth": 2}})
    with pytest.raises(ConfigError, match=r"actor\.circuit\.depth"):
        group_runs([one, circuit])


def test_seeds_of_one_training_are_alike_and_different(copies: Copy) -> None:
    one = copies("one")
    with pytest.raises(ConfigError, match="the same seed twice"):
        group_runs([one, copies("again")])
    with pytest.raises(ConfigError, match=r"ppo\.clip"):
        group_runs([one, copies("clipped", seed=1, ppo={"clip": 0.3})])
