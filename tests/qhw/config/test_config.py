from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from diffusion.state_features import STATE_FEATURES
from policy.actors import HEAD_HIDDEN, MLP_HIDDEN
from qhw.config import PRESETS, RunConfig, dump_config, load_config, merge, parse_config
from qhw.config.sections import MLP_HEAD, RING_HEAD, widths_of
from qhw.errors import ConfigError
from qhw.runs.directory import RunDirectory


def test_toml_round_trip_keeps_what_was_set() -> None:
    config = parse_config({"seed": 3, "backend": {"device": "fake_fez", "shots": 100}})
    again = parse_config(tomllib.loads(dump_config(config)))
    assert again.model_dump() == config.model_dump()
    assert again.model_fields_set == config.model_fields_set | {"defaults"}


def test_settings_without_a_version_are_of_this_one_and_those_of_a_run_of_the_first(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.toml").write_text("seed = 3\n[ppo]\nenvironments = 10\n")
    now = parse_config(load_config(tmp_path / "config.toml"))
    then = RunDirectory(tmp_path).config
    assert (now.defaults, now.ppo.gamma, now.ppo.group_size) == ("0.2", 1.0, 5)
    assert (then.defaults, then.ppo.gamma, then.ppo.group_size) == ("0.1", 0.995, 1)
    assert then.environment.previous_action == "asked"
    assert (then.seed, then.ppo.environments) == (3, 10)
    assert parse_config(tomllib.loads(dump_config(then))) == then


@pytest.mark.parametrize(("environments", "size"), [(1, 1), (7, 1), (8, 4), (9, 3), (100, 5)])
def test_groups_are_as_large_as_they_fit(environments: int, size: int) -> None:
    assert parse_config({"ppo": {"environments": environments}}).ppo.group_size == size


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sed": 1}, "sed"),
        ({"backend": {"shots": 0}}, "backend.shots = 0"),
        ({"ppo": {"group": 3}}, "ppo.group = 3: 100 trajectories in lockstep are not whole groups"),
        ({"defaults": "0.3"}, "defaults = '0.3'"),
        ({"actor": {"circuit": {"qubits": 2}}}, "2 x qubits >= 6"),
        ({"state": {"features": []}}, "state.features = []: there is no feature: name at least"),
        ({"state": {"features": ["confidense"]}}, "no feature 'confidense': did you mean 'confid"),
        ({"state": {"features": ["time", "time"]}}, "feature 'time' is named twice"),
        ({"state": {"features": list(STATE_FEATURES)}}, "Take 5 qubits or more, encoding 'linear'"),
        ({"actor": {"kind": "mlp", "circuit": {"depth": 3}}}, "does not apply"),
        ({"actor": {"kind": "mlp"}, "gradient": {"rule": "shift"}}, "does not apply"),
        ({"actor": {"kind": "mlp_matched", "head": "8"}}, "whose size follows from the ring's"),
        ({"actor": {"head": "wide"}}, "'wide' is no row of widths: type up to 4 numbers"),
        ({"actor": {"head": "8-0"}}, "'8-0' is no row of widths"),
        ({"actor": {"head": ""}}, "'' is no row of widths"),
        ({"actor": {"head": "٨"}}, "is no row of widths"),
        ({"actor": {"head": "1-2-3-4-5"}}, "is no row of widths"),
        ({"backend": {"name": "aer", "device": "fake_fez"}}, "does not apply"),
        ({"gradient": {"rule": "shift", "pruned_fraction": 0.5}}, "applies to rule 'pruned'"),
        ({"environment": {"guidance_min": 5.0, "guidance_max": 2.0}}, "must lie below"),
    ],
)
def test_bad_settings_are_refused_by_name(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(values)
    assert said in caught.value.message


def test_a_setting_that_does_not_fit_another_is_named_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"backend": {"name": "aer", "mitigation": "readout"}})
    assert caught.value.message.startswith("backend.mitigation = 'readout' applies to noisy")


def test_every_preset_is_valid() -> None:
    for values in PRESETS.values():
        assert isinstance(parse_config(values), RunConfig)


def test_merge_overrides_by_table() -> None:
    merged = merge({"ppo": {"epochs": 2, "clip": 0.1}}, {"ppo": {"epochs": 3, "clip": None}})
    assert merged == {"ppo": {"epochs": 3, "clip": 0.1}}


def test_a_missing_file_and_bad_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        load_config(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = [")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(bad)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory") as caught:
        load_config(tmp_path)
    assert "config.toml" in caught.value.hint
    bad.write_bytes(b"\x7fELF\xf0\x28")
    with pytest.raises(ConfigError, match="cannot be read: it is no text"):
        load_config(bad)


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("backend", "noise_scale", math.inf),
        ("backend", "noise_scale", math.nan),
        ("backend", "noise_scale", 1e6),
        ("ppo", "actor_rate", 1000.0),
        ("ppo", "critic_rate", 1000.0),
        ("ppo", "entropy", math.inf),
        ("ppo", "max_gradient_norm", math.nan),
        ("hardware", "price", math.inf),
        ("environment", "guidance_max", math.inf),
    ],
)
def test_numbers_that_are_none_or_beyond_sense_are_refused(
    table: str, name: str, value: float
) -> None:
    with pytest.raises(ConfigError, match=f"{table}.{name} = {value}: must be "):
        parse_config({table: {name: value}})


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64])
def test_a_seed_that_a_generator_would_not_take_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=f"seed = {seed}: must be 0 to 4,294,967,295"):
        parse_config({"seed": seed})


@pytest.mark.parametrize(
    "circuit", [{"qubits": 5}, {"encoding": "linear"}, {"qubits": 6, "encoding": "reupload"}]
)
def test_a_circuit_with_room_takes_the_whole_state(circuit: dict[str, object]) -> None:
    features = list(STATE_FEATURES)
    config = parse_config({"actor": {"circuit": circuit}, "state": {"features": features}})
    assert config.state.features == tuple(features)
    assert parse_config(tomllib.loads(dump_config(config))) == config


def test_a_small_state_fits_on_few_qubits_and_a_network_takes_any() -> None:
    small = {"actor": {"circuit": {"qubits": 1}}, "state": {"features": ["confidence", "time"]}}
    assert parse_config(small).state.features == ("confidence", "time")
    parse_config({"actor": {"kind": "mlp"}, "state": {"features": list(STATE_FEATURES)}})


@pytest.mark.parametrize(
    ("actor", "hidden"),
    [
        ({}, (64, 32)),
        ({"kind": "mlp"}, (128, 64)),
        ({"head": "none"}, ()),
        ({"kind": "mlp", "head": "5"}, (5,)),
        ({"head": "16-8-4"}, (16, 8, 4)),
    ],
)
def test_a_head_is_widths(actor: dict[str, str], hidden: tuple[int, ...]) -> None:
    assert parse_config({"actor": actor}).actor.hidden == hidden


def test_a_head_has_one_spelling_and_the_default_is_the_actors_own() -> None:
    assert parse_config({"actor": {"head": "064-032"}}).actor.head == "64-32"
    assert widths_of(RING_HEAD) == HEAD_HIDDEN
    assert widths_of(MLP_HEAD) == MLP_HIDDEN
