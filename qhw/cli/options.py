"""Options that fill settings of a run, grouped as the help shows them.

A setting is described once, in `qhw.config`: its option takes type, choices, range, default and
words from there. What is not typed stays out of the tables that a command gets, so that presets,
files and runs decide about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, signature
from typing import Any, cast

import typer
from typer.core import TyperCommand
from typer.main import get_command

from qhw.cli.command import OUTPUT, speaks
from qhw.cli.completion import complete_assignment, completion_of

Settings = dict[str, Any]
"""Nested tables of what was typed, such as `{"backend": {"shots": 100}}`."""
Command = Callable[..., None]

ASSIGNMENTS = "assignments"
"""Parameter that holds what was typed after `--set`."""


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


MODEL = Panel("Pictures", ("environment.bundle",))
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
        "backend.idle",
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
ANY = "Any setting"
TORCH_DEVICE = Panel(OUTPUT, ("torch_device",))
TRAINING = (MODEL, ACTOR, CIRCUIT, BACKEND, DEVICE, LIMITS, PRICE, LEARNING, SEED, TORCH_DEVICE)
"""All that `qhw train` has an option for."""


def flag_of(setting: str) -> str:
    """The option that fills a setting, such as `--noise-scale`."""
    from qhw.config.setting import short_name

    return "--" + short_name(setting).replace("_", "-")


def described(meaning: str, *facts: str) -> str:
    """Help of an option with its range and default, as typer shows those it knows of itself."""
    return f"{meaning} [dim]\\[{'; '.join(facts)}][/dim]"


def takes(*panels: Panel, settable: bool = False) -> Callable[[Command], Callable[[], Command]]:
    """Let a command take settings: it gets those that were typed as `typed`.

    In the help they stand where `typed` stands among the command's own parameters. The result makes
    the command with all its options; `SettingsCommand` registers it.

    Args:
        panels: Settings that have an option of their own.
        settable: Whether any setting may be given as `--set NAME=VALUE`.
    """

    def decorate(command: Command) -> Callable[[], Command]:
        def with_options() -> Command:
            return speaks(_with_options(command, panels, settable))

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


def _with_options(command: Command, panels: tuple[Panel, ...], settable: bool) -> Command:
    """The command as typer reads it: its own parameters, and one for each setting."""
    names = {name.replace(".", "_"): name for panel in panels for name in panel.settings}

    def called(**values: Any) -> None:
        chosen = {name: values.pop(parameter) for parameter, name in names.items()}
        assigned = values.pop(ASSIGNMENTS) or [] if settable else []
        command(typed=_together(chosen, assigned), **values)

    own = signature(command, eval_str=True).parameters
    place = list(own).index("typed")
    parameters = [parameter for name, parameter in own.items() if name != "typed"]
    options = [_option(name, panel) for panel in panels for name in panel.settings]
    parameters[place:place] = [*options, *([_assignments()] if settable else [])]
    cast(Any, called).__signature__ = Signature(parameters)
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called


def _together(chosen: dict[str, Any], assignments: Sequence[str]) -> Settings:
    """What options and assignments choose.

    Raises:
        ConfigError: If both choose a setting, or an assignment is none.
    """
    from qhw.config import assigned, dotted, merge, nested
    from qhw.errors import ConfigError

    tables = assigned(assignments)
    for name in dotted(tables):
        if chosen.get(name) is not None:
            raise ConfigError(
                f"{flag_of(name)} and --set {name} choose the same setting.", "Give one of them."
            )
    return merge(nested(chosen), tables)


def _assignments() -> Parameter:
    option = typer.Option(
        None,
        "--set",
        metavar="NAME=VALUE",
        help="Choose any other setting, again and again; `qhw config` lists them.",
        rich_help_panel=ANY,
        autocompletion=complete_assignment,
    )
    return Parameter(
        ASSIGNMENTS, Parameter.KEYWORD_ONLY, default=option, annotation=list[str] | None
    )


def _option(name: str, panel: Panel) -> Parameter:
    from qhw.config import every_setting

    setting = every_setting()[name]
    meaning = setting.meaning.removesuffix(".")
    if setting.choices:
        meaning += f": {setting.range}"
    default = f"default: {panel.default or setting.default}"
    option = typer.Option(
        None,
        flag_of(name),
        help=described(meaning, *filter(None, (setting.span, default))),
        rich_help_panel=panel.title,
        autocompletion=completion_of(setting),
    )
    kind = setting.kind | None
    return Parameter(
        name.replace(".", "_"), Parameter.KEYWORD_ONLY, default=option, annotation=kind
    )
