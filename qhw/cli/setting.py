"""What a setting is, in words: read out of the models that check it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from qhw.config import RunConfig

_KINDS: dict[str, type[int | float | str | list[str]]] = {
    "integer": int,
    "number": float,
    "string": str,
    "array": list,
}
"""Types by the names that JSON schemas give them."""


@dataclass(frozen=True)
class Setting:
    """What the models say of one setting, for people.

    Attributes:
        name: Its place in the tables, such as `backend.shots`.
        kind: Type of its value.
        meaning: One line.
        choices: Words that it is one of; empty where it is no choice.
        span: Numbers that it may be, such as `1 to 12`; empty where it may be any.
        default: What holds without it.
    """

    name: str
    kind: type[int | float | str | list[str]]
    meaning: str
    choices: tuple[str, ...]
    span: str
    default: str

    @classmethod
    def named(cls, name: str) -> Self:
        """The setting of this name.

        Raises:
            KeyError: If there is none.
        """
        schema = _schema()
        facts = schema
        for word in name.split("."):
            facts = facts["properties"][word]
            if "$ref" in facts:
                facts = schema["$defs"][facts["$ref"].rpartition("/")[2]]
        value = facts["anyOf"][0] if "anyOf" in facts else facts
        kind = _KINDS[value["type"]]
        default = facts["unset"] if facts["default"] is None else facts["default"]
        if isinstance(default, list):
            default = ", ".join(default)
        shown = default if isinstance(default, str) else _number(default)
        choices = tuple(value.get("enum", ()))
        return cls(name, kind, facts["description"], choices, _span(value), shown)


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return RunConfig.model_json_schema()


def _span(value: dict[str, Any]) -> str:
    """A range in words."""
    most = _number(value["maximum"]) if "maximum" in value else ""
    if "exclusiveMinimum" in value:
        end = f", below {_number(value['exclusiveMaximum'])}" if "exclusiveMaximum" in value else ""
        end = end or (most and f", at most {most}")
        return f"above {_number(value['exclusiveMinimum'])}{end}"
    if "minimum" not in value:
        return ""
    least = _number(value["minimum"])
    return f"{least} to {most}" if most else f"{least} or more"


def _number(value: float) -> str:
    return f"{value:,.10g}"
