from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from qhw.budget.limits import DOLLARS_PER_SECOND
from qhw.budget.planned_jobs import DEFAULT_SHOTS
from qhw.config import PRESETS, RunConfig, Setting, dump_config, load_config, merge, parse_config
from qhw.errors import ConfigError
from qhw.runs.settings import DEVICE_LATENTS


def test_toml_round_trip_keeps_what_was_set() -> None:
    config = parse_config({"seed": 3, "backend": {"device": "fake_fez", "shots": 100}})
    again = parse_config(tomllib.loads(dump_config(config)))
    assert again == config
    assert again.model_fields_set == config.model_fields_set


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sed": 1}, "sed"),
        ({"backend": {"shots": 0}}, "backend.shots = 0"),
        ({"actor": {"circuit": {"qubits": 2}}}, "2 x qubits >= 6"),
        ({"actor": {"kind": "mlp", "circuit": {"depth": 3}}}, "does not apply"),
        ({"actor": {"kind": "mlp"}, "gradient": {"rule": "shift"}}, "does not apply"),
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


def setting_names(section: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_names(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.parametrize("name", list(setting_names()))
def test_every_setting_is_described(name: str) -> None:
    setting = Setting.named(name)
    assert setting.name == name
    assert setting.meaning.endswith(".") and "\n" not in setting.meaning
    assert setting.default


@pytest.mark.parametrize(
    ("name", "kind", "choices", "span", "default"),
    [
        ("actor.circuit.depth", int, (), "1 to 12", "2"),
        ("backend.noise_scale", float, (), "0 or more", "1"),
        ("backend.device", str, (), "", "fake_brisbane"),
        ("hardware.job_wait", float, (), "above 0", "14,400"),
        ("hardware.on_drift", str, ("warn", "refit", "stop"), "", "warn"),
        ("gradient.pruned_fraction", float, (), "above 0, at most 1", "0.125"),
        (
            "environment.reward.guidance_center",
            float,
            (),
            "",
            "as the bundle's card or the preset says",
        ),
    ],
)
def test_a_setting_is_described_as_the_models_check_it(
    name: str, kind: type, choices: tuple[str, ...], span: str, default: str
) -> None:
    setting = Setting.named(name)
    assert (setting.kind, setting.choices, setting.span) == (kind, choices, span)
    assert setting.default == default


def test_a_setting_that_is_none_is_not_described() -> None:
    with pytest.raises(KeyError, match="shoots"):
        Setting.named("backend.shoots")


def test_defaults_in_words_are_the_numbers_used() -> None:
    assert f"{DEFAULT_SHOTS} on a device" in Setting.named("backend.shots").default
    assert f"{DEVICE_LATENTS} on a device" in Setting.named("evaluation.latents").meaning
    assert Setting.named("hardware.price").default == f"{DOLLARS_PER_SECOND:g}"
