"""What a setting is, in words: read out of the models that check it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel

_CALLED = {
    "actor.kind": "actor",
    "backend.name": "backend",
    "environment.bundle": "model",
    "gradient.rule": "gradient",
}
"""Settings that are not called by the last word of their name."""
Value = int | float | str | list[str]

_KINDS: dict[str, type[Value]] = {"integer": int, "number": float, "string": str, "array": list}
"""Types by the names that JSON schemas give them."""
_SHORT = {"lr": "learning_rate"}
"""Abbreviations that people type."""
_ALIKE, _AS_LIKELY = 0.7, 0.1
"""Least likeness of what was typed and what may have been meant, as difflib counts it, and how much
less than the likeliest is still told."""


@dataclass(frozen=True)
class Setting:
    """What the models say of one setting, for people.

    Attributes:
        name: Its place in the tables, such as `backend.shots`.
        kind: Type of its value.
        meaning: One line.
        choices: Words that it is one of; empty where it is no choice.
        span: Numbers that it may be, such as `1 to 12`; empty where it may be any.
        default: What holds without it, in words.
        value: The same as a value; None where the words say what decides.
    """

    name: str
    kind: type[Value]
    meaning: str
    choices: tuple[str, ...]
    span: str
    default: str
    value: Value | None

    @classmethod
    def of_schema(cls, name: str, facts: dict[str, Any]) -> Self:
        """The setting that a JSON schema describes."""
        value = facts["anyOf"][0] if "anyOf" in facts else facts
        own = facts["default"]
        default = facts["unset"] if own is None else own
        if isinstance(default, list):
            default = ", ".join(default)
        return cls(
            name,
            _KINDS[value["type"]],
            facts["description"],
            tuple(value.get("enum", ())),
            _span(value),
            default if isinstance(default, str) else _number(default),
            own,
        )

    @property
    def table(self) -> str:
        """The table that it is in, such as `ppo`; empty for those in none."""
        return self.name.rpartition(".")[0]

    @property
    def range(self) -> str:
        """What it may be, in words: its choices or its span; empty where it may be anything."""
        *others, last = self.choices or ("",)
        return f"{', '.join(others)} or {last}" if others else last or self.span

    def parsed(self, text: str) -> Value:
        """The value that was typed; whether it lies in the range is for the models to say.

        Raises:
            ValueError: If it is no number where a number is wanted, or empty.
        """
        if not text:
            raise ValueError("a value is missing")
        if self.kind is list:
            return [word.strip() for word in text.split(",")]
        if self.kind is str:
            return text
        try:
            return self.kind(text)
        except ValueError as error:
            kind = "a whole number" if self.kind is int else "a number"
            raise ValueError(f"{text!r} is not {kind}") from error


def short_name(name: str) -> str:
    """What people call a setting, such as `noise_scale`; no two are called the same."""
    return _CALLED.get(name, name.rpartition(".")[2])


def settings_of(model: type[BaseModel]) -> dict[str, Setting]:
    """Every setting by its name, in the order of the models."""
    schema = model.model_json_schema()
    return {name: Setting.of_schema(name, facts) for name, facts in _leaves(schema, schema, "")}


def tables_of(model: type[BaseModel]) -> dict[str, str]:
    """What every table of settings is about, by its name, such as `actor.circuit`."""
    schema = model.model_json_schema()
    return {"": "", **dict(_tables(schema, schema, ""))}


def nearest_settings(typed: str, settings: Mapping[str, Setting], count: int = 3) -> list[str]:
    """Names that may have been meant, the likeliest first.

    What was typed is compared with names, with their last words, and with the words of their
    descriptions, so that `lerning_rate` finds `ppo.actor_rate`.
    """
    likeness = {name: _likeness(typed.lower(), setting) for name, setting in settings.items()}
    least = max(_ALIKE, max(likeness.values()) - _AS_LIKELY)
    near = [name for name in likeness if likeness[name] >= least]
    return sorted(near, key=likeness.__getitem__, reverse=True)[:count]


def _likeness(typed: str, setting: Setting) -> float:
    last = typed.rpartition(".")[2]
    last = _SHORT.get(last, last)
    words = last.replace("-", "_").split("_")
    told = setting.meaning.lower().rstrip(".").split()
    spans = range(max(len(told) - len(words) + 1, 0))
    phrases = ("_".join(told[start : start + len(words)]) for start in spans)
    own = setting.name.rpartition(".")[2]
    if own in words:
        return 1.0
    pairs = ((typed, setting.name), (last, own), *((last, phrase) for phrase in phrases))
    return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)


def _leaves(
    schema: dict[str, Any], table: dict[str, Any], prefix: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, facts in table["properties"].items():
        if "$ref" in facts:
            yield from _leaves(schema, _resolved(schema, facts), f"{prefix}{name}.")
        else:
            yield prefix + name, facts


def _tables(
    schema: dict[str, Any], table: dict[str, Any], prefix: str
) -> Iterator[tuple[str, str]]:
    for name, facts in table["properties"].items():
        if "$ref" in facts:
            yield prefix + name, facts["description"]
            yield from _tables(schema, _resolved(schema, facts), f"{prefix}{name}.")


def _resolved(schema: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][facts["$ref"].rpartition("/")[2]]
    return found


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
