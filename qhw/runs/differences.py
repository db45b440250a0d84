"""The settings in which two runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qhw.config import RunConfig, dotted

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


def settings_that_differ(configs: Sequence[RunConfig]) -> list[dict[str, str]]:
    """For every run, its values of the settings in which not all runs agree."""
    flat = [_flat(config) for config in configs]
    names = dict.fromkeys(name for values in flat for name in values)
    differing = [name for name in names if len({values.get(name) for values in flat}) > 1]
    return [{name: values[name] for name in differing if name in values} for values in flat]


def _flat(config: RunConfig, *, chosen: bool = False) -> dict[str, str]:
    """Dotted name to value; what a classical actor does not use is left out."""
    values = config.model_dump(mode="json", exclude_unset=chosen)
    if config.actor.kind != "ring":
        values.get("actor", {}).pop("circuit", None)
        values = {name: part for name, part in values.items() if name not in CIRCUIT_SECTIONS}
    return {name: UNSET if value is None else str(value) for name, value in dotted(values).items()}
