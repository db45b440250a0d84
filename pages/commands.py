"""The page on commands, out of the command line itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from typer.main import get_command

from pages.markdown import NOTE, plain, table
from qhw.cli.app import app

EXAMPLE = re.compile(r"\s*Example: `(.*)`\s*")
DIM = re.compile(r"\s*\[dim\]\\\[(.*?)\]\[/dim\]")
TYPERS = re.compile(r"\s+\[([^\]]+)\]$")


def commands_page() -> str:
    """Every command with its arguments, options, defaults and example."""
    head = f"# Commands\n\n{NOTE} `qhw COMMAND --help` prints the same.\n\n"
    found = [*_commands(get_command(app), ("qhw",))]
    places = [" ".join(name) for name, _ in found]
    links = "".join(f"- [{place}](#{place.replace(' ', '-')})\n" for place in places)
    return head + links + "".join(_section(name, command) for name, command in found)


def _commands(command: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is no group; settings' options are there once a context is made."""
    if hasattr(command, "commands"):
        for word, inner in command.commands.items():
            yield from _commands(inner, (*name, word))
    else:
        yield name, command.make_context(name[-1], [], resilient_parsing=True)


def _section(name: tuple[str, ...], context: Any) -> str:
    command = context.command
    about, _, _ = EXAMPLE.sub("", command.help or "").partition("\f")
    paragraphs = [plain(paragraph) for paragraph in about.strip().split("\n\n")]
    typed = EXAMPLE.search(command.help or "")
    example = f"\n```console\n{typed[1]}\n```\n" if typed else ""
    text = f"\n## {' '.join(name)}\n\n" + "\n\n".join(paragraphs) + "\n" + example
    return text + _parameters(context)


def _parameters(context: Any) -> str:
    """A table of the arguments, then one of the options of each panel, in the order of the help."""
    shown = [each for each in context.command.params if each.get_help_record(context)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each not in arguments]
    panels = list(dict.fromkeys(_panel(each) for each in options))
    options.sort(key=lambda each: panels.index(_panel(each)))
    text = _table("argument", arguments, context)
    for panel, group in groupby(options, _panel):
        text += _table(panel or "option", list(group), context)
    return text


def _panel(parameter: Any) -> str:
    panel = getattr(parameter, "rich_help_panel", None)
    return panel if isinstance(panel, str) else ""


def _table(title: str, parameters: list[Any], context: Any) -> str:
    rows = [(f"`{_name(each)}`", _meaning(each, context)) for each in parameters]
    return "\n" + table((title, ""), rows) if rows else ""


def _name(parameter: Any) -> str:
    """As it is typed: a place for an argument, the flags of an option and what follows them."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return f"{flags} {parameter.metavar}" if parameter.metavar else flags


def _meaning(parameter: Any, context: Any) -> str:
    """What the help says, its range and default in round brackets."""
    told = parameter.get_help_record(context)[1]
    facts = [*DIM.findall(told), *TYPERS.findall(DIM.sub("", told))]
    words = TYPERS.sub("", DIM.sub("", told)).removesuffix(".")
    return plain(words + (f" ({'; '.join(facts)})" if facts else ""))
