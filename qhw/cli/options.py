"""Options that fill settings of a run, grouped as the help shows them.

A setting is described once, in `qhw.config`: its option takes type, choices, range, default and
words from there. What is not typed stays out of the tables that a command gets, so that presets,
files and runs decide about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, signature
from typing import Any, cast

import typer
from typer.core import TyperCommand
from typer.main import get_command

Settings = dict[str, Any]
"""Nested tables of what was typed, such as `{"backend": {"shots": 100}}`."""
Command = Callable[..., None]

FLAGS = {"actor.kind": "--actor", "backend.name": "--backend", "gradient.rule": "--gradient"}
"""Options that are not called by the last word of their setting."""


@dataclass(frozen=True)
class Panel:
    """Options that stand together in the help.

    Attributes:
        title: Heading of the panel.
        settings: Names of the settings that are filled, such as `backend.shots`.
        default: What holds in place of each setting's own default, in words; empty where that does.
    """

    title: str
    settings: tuple[str, ...]
    default: str = ""

    def only(self, *names: str) -> Panel:
        """The panel without all but these, by the last word of their settings."""
        chosen = (name for name in self.settings if name.rpartition(".")[2] in names)
        return replace(self, settings=tuple(chosen))

    @property
    def of_run(self) -> Panel:
        """The panel of a command that takes from a run what is left out."""
        return replace(self, default="the run's own")


ACTOR = Panel("Circuit", ("actor.kind",))
CIRCUIT = Panel(
    "Circuit",
    (
        "actor.circuit.qubits",
        "actor.circuit.depth",
        "actor.circuit.encoding",
        "actor.circuit.entanglement",
    ),
)
BACKEND = Panel(
    "Backend",
    (
        "backend.name",
        "backend.device",
        "backend.noise_scale",
        "backend.shots",
        "backend.engine",
        "backend.mitigation",
    ),
)
DEVICE = Panel(
    "Device and budget",
    ("hardware.mode", "hardware.readout_errors", "hardware.job_wait", "hardware.on_drift"),
)
LIMITS = Panel(
    "Device and budget", ("hardware.max_qpu_seconds", "hardware.max_jobs", "hardware.max_cost")
)
PRICE = Panel("Device and budget", ("hardware.price",))
LEARNING = Panel(
    "Learning", ("gradient.rule", "ppo.updates", "ppo.environments", "evaluation.latents")
)
SEED = Panel("Learning", ("seed",))
OUTPUT = "Output"
TORCH_DEVICE = Panel(OUTPUT, ("torch_device",))


def flag_of(setting: str) -> str:
    """The option that fills a setting, such as `--noise-scale`."""
    return FLAGS.get(setting, "--" + setting.rpartition(".")[2].replace("_", "-"))


def described(meaning: str, *facts: str) -> str:
    """Help of an option with its range and default, as typer shows those it knows of itself."""
    return f"{meaning} [dim]\\[{'; '.join(facts)}][/dim]"


def takes(*panels: Panel) -> Callable[[Command], Callable[[], Command]]:
    """Let a command take settings: it gets those that were typed as `typed`.

    In the help they stand where `typed` stands among the command's own parameters. The result makes
    the command with all its options; `SettingsCommand` registers it.
    """

    def decorate(command: Command) -> Callable[[], Command]:
        def with_options() -> Command:
            return _with_options(command, panels)

        with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
        return with_options

    return decorate


class SettingsCommand(TyperCommand):
    """What `takes` decorated; its options are looked up when it is called.

    So `qhw --help` is there before pydantic is imported.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Parse what was typed behind the command's name."""
        assert self.callback is not None
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(self.callback())
        return get_command(alone).make_context(info_name, args, parent, **extra)


def _with_options(command: Command, panels: tuple[Panel, ...]) -> Command:
    """The command as typer reads it: its own parameters, and one for each setting."""
    names = {name.replace(".", "_"): name for panel in panels for name in panel.settings}

    def called(**values: Any) -> None:
        typed = {name: values.pop(parameter) for parameter, name in names.items()}
        command(typed=nested(typed), **values)

    own = signature(command, eval_str=True).parameters
    place = list(own).index("typed")
    parameters = [parameter for name, parameter in own.items() if name != "typed"]
    parameters[place:place] = [_option(name, panel) for panel in panels for name in panel.settings]
    cast(Any, called).__signature__ = Signature(parameters)
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called


def nested(typed: dict[str, Any]) -> Settings:
    """Tables of the settings that have a value; their names say in which table they are."""
    tables: Settings = {}
    for name, value in typed.items():
        if value is not None:
            *path, last = name.split(".")
            table = tables
            for word in path:
                table = table.setdefault(word, {})
            table[last] = value
    return tables


def _option(name: str, panel: Panel) -> Parameter:
    from qhw.cli.setting import Setting

    setting = Setting.named(name)
    meaning = setting.meaning.removesuffix(".")
    if setting.choices:
        *others, last = setting.choices
        meaning += f": {', '.join(others)} or {last}"
    default = f"default: {panel.default or setting.default}"
    option = typer.Option(
        None,
        flag_of(name),
        help=described(meaning, *filter(None, (setting.span, default))),
        rich_help_panel=panel.title,
    )
    kind = setting.kind | None
    return Parameter(
        name.replace(".", "_"), Parameter.KEYWORD_ONLY, default=option, annotation=kind
    )
