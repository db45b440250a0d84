from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from qhw.budget.limits import DOLLARS_PER_SECOND
from qhw.budget.planned_jobs import DEFAULT_SHOTS
from qhw.config import RunConfig, every_setting
from qhw.config.setting import nearest_settings, short_name, tables_of
from qhw.runs.settings import DEVICE_LATENTS


def setting_names(section: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_names(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.parametrize("name", list(setting_names()))
def test_every_setting_is_described(name: str) -> None:
    setting = every_setting()[name]
    assert setting.name == name
    assert setting.meaning.endswith(".") and "\n" not in setting.meaning
    assert setting.default


@pytest.mark.parametrize(
    ("name", "kind", "choices", "span", "default"),
    [
        ("actor.circuit.depth", int, (), "1 to 12", "2"),
        ("backend.noise_scale", float, (), "0 to 100", "1"),
        ("backend.device", str, (), "", "fake_brisbane"),
        ("hardware.job_wait", float, (), "above 0", "14,400"),
        ("ppo.clip", float, (), "above 0, below 1", "0.15"),
        (
            "state.features",
            list,
            (),
            "",
            "time, latent_norm, noise_norm, overlap, previous_action, confidence",
        ),
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
    setting = every_setting()[name]
    assert (setting.kind, setting.choices, setting.span) == (kind, choices, span)
    assert setting.default == default


def test_a_setting_that_is_none_is_not_described() -> None:
    with pytest.raises(KeyError, match="shoots"):
        every_setting()["backend.shoots"]


def test_defaults_in_words_are_the_numbers_used() -> None:
    assert f"{DEFAULT_SHOTS} on a device" in every_setting()["backend.shots"].default
    assert f"{DEVICE_LATENTS} on a device" in every_setting()["evaluation.latents"].meaning
    assert every_setting()["hardware.price"].default == f"{DOLLARS_PER_SECOND:g}"


def test_no_two_settings_are_called_the_same() -> None:
    called = [short_name(name) for name in every_setting()]
    assert len({*called}) == len(called)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lerning_rate", ["ppo.actor_rate", "ppo.critic_rate", "ppo.final_rate_fraction"]),
        ("lr", ["ppo.actor_rate", "ppo.critic_rate", "ppo.final_rate_fraction"]),
        ("ppo.actor_rte", ["ppo.actor_rate"]),
        ("sed", ["seed"]),
        ("qbits", ["actor.circuit.qubits"]),
        ("clip_range", ["ppo.clip"]),
        ("Backend.Shots", ["backend.shots"]),
        ("xyzzy", []),
    ],
)
def test_what_was_meant_is_found_by_name_and_by_meaning(typed: str, meant: list[str]) -> None:
    assert nearest_settings(typed, every_setting())[: len(meant) or 3] == meant


def test_tables_say_what_they_are_about() -> None:
    tables = tables_of(RunConfig)
    assert {setting.table for setting in every_setting().values()} == {*tables}
    assert all(about.endswith(".") for name, about in tables.items() if name)
