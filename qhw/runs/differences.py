"""The settings in which two runs differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qhw.config import RunConfig

UNSET, ABSENT = "default", "does not apply"
CIRCUIT_SECTIONS = ("backend", "gradient", "hardware")


@dataclass(frozen=True)
class Difference:
    """One setting that differs, each value as it is written."""

    setting: str
    first: str
    second: str


def differences(first: RunConfig, second: RunConfig) -> list[Difference]:
    """The settings in which two runs differ, in the order of the configuration.

    A setting that does not apply to one run at all is listed only if the other run chose it.
    """
    mine, theirs = _flat(first), _flat(second)
    chosen = _flat(first, chosen=True) | _flat(second, chosen=True)
    return [
        Difference(name, mine.get(name, ABSENT), theirs.get(name, ABSENT))
        for name in dict.fromkeys((*mine, *theirs))
        if mine.get(name) != theirs.get(name)
        and (name in chosen or (name in mine and name in theirs))
    ]


def _flat(config: RunConfig, *, chosen: bool = False) -> dict[str, str]:
    """Dotted name to value; what a classical actor does not use is left out."""
    values = config.model_dump(mode="json", exclude_unset=chosen)
    if config.actor.kind != "ring":
        values.get("actor", {}).pop("circuit", None)
        values = {name: part for name, part in values.items() if name not in CIRCUIT_SECTIONS}
    return _dotted(values, "")


def _dotted(values: dict[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _dotted(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = UNSET if value is None else str(value)
    return flat
