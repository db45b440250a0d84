"""Every option of every command reaches the setting that it names, and says what it may be."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from qhw.cli.app import app
from qhw.cli.options import flag_of
from qhw.config import PRESETS, RunConfig, every_setting, nested, parse_config
from qhw.errors import ConfigError
from qhw.runs.directory import create_run

CIRCUIT = {
    "--qubits": ("actor.circuit.qubits", 5),
    "--depth": ("actor.circuit.depth", 3),
    "--encoding": ("actor.circuit.encoding", "linear"),
    "--entanglement": ("actor.circuit.entanglement", "line"),
}
SAMPLED = {"--shots": ("backend.shots", 128), "--mitigation": ("backend.mitigation", "readout")}
NOISE = {
    "--device": ("backend.device", "fake_fez"),
    "--noise-scale": ("backend.noise_scale", 0.5),
}
BACKEND = {
    **SAMPLED,
    **NOISE,
    "--backend": ("backend.name", "aer"),
    "--engine": ("backend.engine", "compiled"),
}
LIMITS = {
    "--max-qpu-seconds": ("hardware.max_qpu_seconds", 90.5),
    "--max-jobs": ("hardware.max_jobs", 7),
    "--max-cost": ("hardware.max_cost", 12.5),
}
PRICE = {"--price": ("hardware.price", 2.5)}
WAITING = {"--job-wait": ("hardware.job_wait", 60.0), "--on-drift": ("hardware.on_drift", "stop")}
HARDWARE = {
    **LIMITS,
    **PRICE,
    **WAITING,
    "--mode": ("hardware.mode", "batch"),
    "--readout-errors": ("hardware.readout_errors", "measured"),
}
LEARNING = {
    "--gradient": ("gradient.rule", "spsa"),
    "--updates": ("ppo.updates", 11),
    "--environments": ("ppo.environments", 12),
    "--latents": ("evaluation.latents", 21),
}
REST = {
    "--model": ("environment.bundle", "fashion-mnist-28"),
    "--actor": ("actor.kind", "mlp"),
    "--seed": ("seed", 4),
    "--torch-device": ("torch_device", "cpu"),
}

Options = dict[str, tuple[str, object]]
TAKEN: dict[str, Options] = {
    "train": {**CIRCUIT, **BACKEND, **HARDWARE, **LEARNING, **REST},
    "run": {**BACKEND, **HARDWARE},
    "evaluate": {**LIMITS, **WAITING},
    "compare A B": {**SAMPLED, **NOISE, "--backend": BACKEND["--backend"]},
    "calibrate --device fake_fez --measure": {**CIRCUIT, **LIMITS, **PRICE},
    "drift A B": CIRCUIT,
    "plan train": {"--model": REST["--model"], **CIRCUIT, **SAMPLED, **LEARNING, **LIMITS, **PRICE},
    "plan run": {**SAMPLED, **LIMITS, **PRICE},
}
EVERY = [
    pytest.param(command, option, id=f"{command} {option}")
    for command, options in TAKEN.items()
    for option in options
]
CHOICES = {
    option: every_setting()[name]
    for option, (name, _) in TAKEN["train"].items()
    if every_setting()[name].choices
}


class Reached(Exception):
    """The one function was called."""


def invoke(*arguments: str, columns: int = 80) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})


@cache
def shown(command: str, columns: int = 80) -> str:
    result = invoke(*command.split(), "--help", columns=columns)
    assert result.exit_code == 0, result.output
    return result.output


def described(command: str, option: str) -> str:
    """The help's line of an option."""
    rows = (row for row in shown(command, 400).splitlines() if row.startswith("│"))
    (line,) = (row for row in rows if f" {option} " in row)
    return line


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Settings that reach the function a command calls, as nested tables without empty ones.

    There are runs A and B, and a latest one.
    """
    monkeypatch.chdir(tmp_path)
    runs = [create_run(tmp_path / "runs", RunConfig(), name) for name in ("A", "B")]
    runs[-1].point_latest_here()
    tables: dict[str, Any] = {}

    def catch(place: str, read: Callable[..., dict[str, Any]], *, ends: bool = True) -> None:
        module, _, name = place.rpartition(".")

        def reached(*positional: Any, **named: Any) -> None:
            tables.update(read(*positional, **named))
            if ends:
                raise Reached

        monkeypatch.setattr(importlib.import_module(module), name, reached)

    settings, commands = "qhw.runs.settings", "qhw.commands"
    catch(f"{settings}.checked_training_settings", lambda chosen, **_: chosen)
    catch(
        f"{settings}.deployment_settings",
        lambda _, backend, hardware, **__: {"backend": backend, "hardware": hardware},
    )
    catch(f"{settings}.run_to_evaluate", lambda _, __, chosen, ___: chosen)
    catch(f"{commands}.compare.compare_runs", lambda _, __, asked: {"backend": asked.backend})
    catch(
        f"{commands}.calibrate.to_measure",
        lambda _, limits, *__, **___: {"hardware": limits},
        ends=False,
    )
    catch(
        f"{commands}.circuit_choice.choose_circuit",
        lambda _, circuit: {"actor": {"circuit": circuit}},
    )
    catch(f"{commands}.plan.print_training_quote", lambda chosen, *_, **__: chosen)
    catch(f"{commands}.plan.print_deployment_quote", lambda _, chosen, *__, **___: chosen)

    def parse(line: str) -> dict[str, Any]:
        tables.clear()
        result = invoke(*line.split())
        assert isinstance(result.exception, Reached), result.output
        return without_empty(tables)

    return parse


def without_empty(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables with a value in them; nothing was typed for the others."""
    cleaned = {
        name: without_empty(value) if isinstance(value, dict) else value
        for name, value in tables.items()
    }
    return {name: value for name, value in cleaned.items() if value not in ({}, None)}


@pytest.mark.parametrize(("command", "option"), EVERY)
def test_an_option_reaches_its_setting_and_no_other(
    command: str, option: str, typed: Callable[[str], dict[str, Any]]
) -> None:
    name, value = TAKEN[command][option]
    assert typed(f"{command} {option} {value}") == nested({name: value})


@pytest.mark.parametrize("command", TAKEN)
def test_what_is_not_typed_is_not_set(command: str, typed: Callable[[str], dict[str, Any]]) -> None:
    assert typed(command) == {}


def test_a_default_that_is_typed_is_set(typed: Callable[[str], dict[str, Any]]) -> None:
    circuit = RunConfig().actor.circuit
    assert typed(f"train --depth {circuit.depth}") == nested({"actor.circuit.depth": circuit.depth})


def test_all_options_together_fill_their_tables(typed: Callable[[str], dict[str, Any]]) -> None:
    options = {**CIRCUIT, **SAMPLED, **LIMITS}
    line = " ".join(f"{option} {value}" for option, (_, value) in options.items())
    assert typed(f"train {line}") == nested(dict(options.values()))


@pytest.mark.parametrize(("command", "option"), EVERY)
def test_the_help_of_an_option_tells_what_it_may_be(command: str, option: str) -> None:
    setting = every_setting()[TAKEN[command][option][0]]
    (line,) = (
        row
        for row in shown(command, 400).splitlines()
        if row.startswith("│") and f" {option} " in row
    )
    assert f"<{setting.kind.__name__}>" in line
    assert "default: " in line
    assert all(choice in line for choice in setting.choices)
    assert setting.span in line


@pytest.mark.parametrize("option", TAKEN["train"])
def test_a_training_tells_every_default(option: str) -> None:
    setting = every_setting()[TAKEN["train"][option][0]]
    (line,) = (
        row
        for row in shown("train", 400).splitlines()
        if row.startswith("│") and f" {option} " in row
    )
    assert f"default: {setting.default}]" in line
    assert setting.meaning.removesuffix(".") in line


SETTABLE = [
    ("ppo.actor_rate=1e-3", "ppo.actor_rate", 1e-3),
    ("ppo.epochs=3", "ppo.epochs", 3),
    ("environment.solver=ddim", "environment.solver", "ddim"),
    ("state.features=time,confidence", "state.features", ["time", "confidence"]),
    ("start_from=runs/a", "start_from", "runs/a"),
]


@pytest.mark.parametrize(("assignment", "name", "value"), SETTABLE)
def test_any_setting_can_be_set(
    assignment: str, name: str, value: object, typed: Callable[[str], dict[str, Any]]
) -> None:
    assert typed(f"train --set {assignment}") == nested({name: value})
    assert typed(f"plan train --set {assignment}") == nested({name: value})
    assert typed(f"evaluate --set {assignment}") == nested({name: value})


def test_a_sweep_takes_many_values_and_passes_options_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swept: dict[str, Any] = {}
    monkeypatch.setattr("qhw.commands.sweep.sweep", lambda configs, *_: swept.update(configs))
    done = invoke("sweep", "--updates", "4", "--set", "ppo.clip=0.1,0.2", "--seeds", "0:2")
    assert done.exit_code == 0, done.output
    assert [*swept] == [
        f"sweep-clip{clip}-seed{seed}" for clip in ("0.1", "0.2") for seed in (0, 1)
    ]
    assert {config.ppo.updates for config in swept.values()} == {4}


def test_settings_and_options_fill_one_table(typed: Callable[[str], dict[str, Any]]) -> None:
    line = "train --updates 4 --set ppo.actor_rate=1e-3 --set ppo.clip=0.2"
    assert typed(line) == {"ppo": {"updates": 4, "actor_rate": 1e-3, "clip": 0.2}}


@pytest.mark.parametrize(
    ("typed_words", "said"),
    [
        (["lerning_rate=1"], "no setting 'lerning_rate': did you mean ppo.actor_rate or"),
        (["ppo.lerning_rate=1"], "no setting 'ppo.lerning_rate': did you mean ppo.actor_rate or"),
        (["shoots=1"], "no setting 'shoots': did you mean backend.shots?"),
        (["xyzzy=1"], "no setting 'xyzzy'."),
        (["ppo.clip"], "--set ppo.clip gives no value"),
        (["ppo.clip="], "ppo.clip: a value is missing; it may be above 0, below 1"),
        (["ppo.clip=wide"], "ppo.clip: 'wide' is not a number; it may be above 0, below 1"),
        (["ppo.epochs=2.5"], "ppo.epochs: '2.5' is not a whole number"),
        (["ppo.clip=1.5"], "ppo.clip = 1.5: must be above 0, below 1"),
        (["actor.kind=rng"], "actor.kind = 'rng': must be ring, mlp or mlp_matched"),
        (["seed=1", "--seed", "2"], "--seed and --set seed choose the same setting"),
    ],
)
def test_an_assignment_that_does_not_fit_is_refused(typed_words: list[str], said: str) -> None:
    error = invoke("train", "--set", *typed_words).exception
    assert isinstance(error, ConfigError)
    assert said in error.message
    assert "`qhw config" in error.hint or "Give one of them" in error.hint


def test_options_stand_in_panels() -> None:
    titles = [line.split()[1:-1] for line in shown("train").splitlines() if line.startswith("╭")]
    assert [" ".join(title).rstrip(" ─") for title in titles] == [
        "Arguments",
        "Options",
        "Pictures",
        "Circuit",
        "Backend",
        "Device and budget",
        "Learning",
        "Output",
        "Any setting",
    ]


@pytest.mark.parametrize("command", [*TAKEN, "", "plan", "jobs", "report noise", "fit", "cache"])
def test_nothing_in_a_help_is_cut(command: str) -> None:
    lines = shown(command).splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]


@pytest.mark.parametrize("option", CHOICES)
def test_a_word_that_is_no_choice_is_echoed_beside_those_there_are(option: str) -> None:
    error = invoke("train", option, "nonsense").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2
    assert f"{CHOICES[option].name} = 'nonsense'" in error.message
    assert f"must be {CHOICES[option].range}" in error.message


@pytest.mark.parametrize("option", CHOICES)
def test_every_choice_is_a_setting_that_the_models_take(option: str) -> None:
    setting = CHOICES[option]
    for choice in setting.choices:
        table = nested({setting.name: choice})
        try:
            parse_config(table)
        except ConfigError as error:  # it does not go with other settings
            assert "must be" not in error.message


def test_a_number_that_is_none_is_refused() -> None:
    result = invoke("train", "--qubits", "many")
    assert result.exit_code == 2
    assert "--qubits" in result.output


def test_presets_in_the_help_are_those_there_are() -> None:
    for command in ("train", "plan train"):
        (line,) = (row for row in shown(command, 400).splitlines() if " --preset " in row)
        assert f"Settings to begin with: {' or '.join(PRESETS)}." in line


def test_flags_are_the_last_word_of_their_setting_but_for_four() -> None:
    for options in TAKEN.values():
        for option, (name, _) in options.items():
            assert flag_of(name) == option
