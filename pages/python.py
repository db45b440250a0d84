"""The page on the Python face, out of its docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from inspect import Parameter
from typing import Any

from pydantic import BaseModel

import qhw
from pages.markdown import NOTE, plain, table

HEADED = re.compile(r"^(Args|Attributes|Returns|Raises):\n", flags=re.M)
LINE = 88
Plain = bool | int | float | str | None
"""Defaults that are shown."""
ENTRY = re.compile(r"^    (\w[\w., ]*): (.*(?:\n {5,}.*)*)", flags=re.M)


def python_page() -> str:
    """Every name of `qhw` with its signature and what its docstring says."""
    head = f"# `qhw` in Python\n\n{NOTE} Examples are in [From Python](../python.md).\n"
    return head + "".join(_section(name, getattr(qhw, name)) for name in qhw.__all__)


def _section(name: str, value: Any) -> str:
    about, *parts = HEADED.split(inspect.getdoc(value) or "")
    paragraphs = [plain(each) for each in about.strip().split("\n\n")]
    text = f"\n## {name}\n\n```text\n{_signature(name, value)}\n```\n\n"
    if inspect.isclass(value) and issubclass(value, BaseModel):
        paragraphs.append("Its fields are [settings](settings.md).")
    text += "\n\n".join(paragraphs) + "\n"
    return text + "".join(map(_part, parts[::2], parts[1::2]))


def _signature(name: str, value: Any) -> str:
    """One line, or one for each parameter where that is too long; models show none."""
    if inspect.isclass(value) and not dataclasses.is_dataclass(value):
        return f"class {name}"
    words: list[str] = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is Parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(_parameter(parameter))
    line = f"{name}({', '.join(words)})"
    return line if len(line) <= LINE else f"{name}(\n    " + ",\n    ".join(words) + ",\n)"


def _parameter(parameter: Parameter) -> str:
    """Its name, type and default; dots for a default that is made when it is needed."""
    default = parameter.default
    text = f"{parameter.name}: {parameter.annotation}"
    if default is Parameter.empty:
        return text
    return f"{text} = {default!r}" if isinstance(default, Plain) else f"{text} = ..."


def _part(title: str, text: str) -> str:
    """A docstring's section: a table of what it lists, else its words."""
    rows = [(f"`{found[1]}`", plain(found[2])) for found in ENTRY.finditer(text)]
    if title == "Returns" or not rows:
        return f"\n{title}: {plain(text.strip())}\n"
    return "\n" + table((title.lower(), ""), rows)
