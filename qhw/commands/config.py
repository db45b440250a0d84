"""`qhw config`: every setting with default, range, meaning, and the option that sets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from qhw.config import RunConfig, dump_config, every_setting, parse_config
from qhw.config.setting import Setting, nearest_settings, tables_of
from qhw.console.output import show
from qhw.errors import ConfigError, UnknownNameError


def print_settings(names: Sequence[str], flags: Mapping[str, str], *, toml: bool) -> None:
    """Print settings, table by table.

    Args:
        names: Settings or tables, such as `ppo`; none for all.
        flags: Options by the settings that they fill.
        toml: As a file to edit.

    Raises:
        ConfigError: If a part of the file is asked for.
        UnknownNameError: If there is no setting and no table of a name.
    """
    if toml:
        if names:
            raise ConfigError(
                "--toml writes all settings, as TOML.", "Type `qhw config --toml > my.toml`."
            )
        print(dump_config(parse_config({})), end="")
        return
    chosen = [setting for name in names for setting in _named(name)] or [*every_setting().values()]
    records = [_record(setting, flags) for setting in chosen]
    show(records, lambda console: _print(console, chosen, flags))


def _named(name: str) -> list[Setting]:
    """The setting of this name, or all in a table and in those below it."""
    settings = every_setting()
    found = [each for each in settings.values() if f"{each.name}.".startswith(f"{name}.")]
    if not found:
        near = nearest_settings(name, settings)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UnknownNameError(
            f"There is no setting {name!r}.", f"{meant}`qhw config` lists them all."
        )
    return found


def _record(setting: Setting, flags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": setting.name,
        "type": setting.kind.__name__,
        "default": setting.value,
        "default in words": setting.default,
        "range": setting.range,
        "meaning": setting.meaning,
        "option": flags.get(setting.name),
    }


def _print(console: Console, settings: Sequence[Setting], flags: Mapping[str, str]) -> None:
    about = tables_of(RunConfig)
    table = None
    for setting in settings:
        if setting.table != table:
            table = setting.table
            title = f"{table}: {about[table]}" if table else "Of the run:"
            console.print(f"\n{title}", style="bold", soft_wrap=True)
        facts = "; ".join(filter(None, (setting.range, flags.get(setting.name))))
        sign = ":" if setting.value is None else " ="
        value = escape(f"{setting.name}{sign} {setting.default}")
        beside = f" [dim]({escape(facts)})[/]" if facts else ""
        console.print(f"  [cyan]{value}[/]{beside}", soft_wrap=True, highlight=False)
        console.print(f"      {escape(setting.meaning)}", soft_wrap=True, highlight=False)
    console.print(
        "\nChoose one by its option, by `--set NAME=VALUE`, or in a file: `qhw config --toml > "
        "my.toml`, then `qhw train --config my.toml`.",
    )
