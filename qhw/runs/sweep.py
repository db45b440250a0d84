"""What a sweep trains: every combination of some settings' values, each as a run of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhw.config import assigned, dotted, every_setting, nested
from qhw.config.setting import short_name
from qhw.errors import ConfigError

Axes = Mapping[str, Sequence[Any]]
"""Values by the setting that takes them."""
SEED = "seed"
MOST_RUNS = 10_000


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        label: What makes it different, as a part of its name, such as `actor_rate0.001-seed0`.
        settings: The same as nested tables.
    """

    label: str
    settings: dict[str, Any]


def points(axes: Axes, *, together: bool = False) -> list[Point]:
    """The runs of a sweep, in the order of the axes, the last of them changing fastest.

    Args:
        axes: Settings and their values.
        together: Take all first values, then all second ones, instead of every combination.

    Raises:
        ConfigError: If there is nothing to vary, too much, or values taken together are not as
            many of each.
    """
    counts = {name: len(values) for name, values in axes.items()}
    if not axes:
        raise ConfigError(
            "There is nothing to vary.",
            "Add --seeds 0:5, or --set ppo.actor_rate=1e-3,2e-3; `qhw config` lists the settings.",
        )
    if together and len({*counts.values()}) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ConfigError(
            f"--together takes as many values of each setting, and {told}.",
            "Leave --together out to train every combination.",
        )
    _refuse_many(max(counts.values()) if together else math.prod(counts.values()))
    rows = zip(*axes.values(), strict=True) if together else itertools.product(*axes.values())
    return [_point(dict(zip(axes, row, strict=True))) for row in rows]


def _refuse_many(runs: int) -> None:
    if runs > MOST_RUNS:
        raise ConfigError(
            f"That is {runs:,} runs; a sweep has at most {MOST_RUNS:,}.", "Take fewer values."
        )


def axes_of(assignments: Sequence[str], seeds: str | None) -> dict[str, list[Any]]:
    """Settings and their values from `NAME=VALUE,VALUE`, again and again, and from seeds.

    A setting that is a list itself, such as `state.features`, takes one value at a time.

    Raises:
        ConfigError: If one names no setting, or a value is of another type or there twice.
    """
    axes: dict[str, list[Any]] = {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        setting = every_setting().get(name.strip())
        whole = setting is None or setting.kind is list
        for one in [text] if whole else text.split(","):
            value = dotted(assigned([f"{name}={one}" if text else assignment]))
            axes.setdefault(name.strip(), []).extend(value.values())
    if seeds is not None:
        axes.setdefault(SEED, []).extend(seeds_of(seeds))
    for name, values in axes.items():
        if len({str(value) for value in values}) < len(values):
            shown = ",".join(map(str, values))
            raise ConfigError(f"{name}={shown} has a value twice.", "Give every value once.")
    return axes


def seeds_of(text: str) -> list[int]:
    """Seeds from `0:5`, which is 0 to 4, or from `0,3,7`.

    Raises:
        ConfigError: If it is neither, or there are too many; one number alone may mean either.
    """
    if text.strip().isdecimal():
        number = int(text)
        raise ConfigError(
            f"--seeds {text}: so many seeds, or that one?",
            f"Type 0:{number} for {number} seeds, {number}:{number + 1} for seed {number} alone.",
        )
    try:
        if ":" in text:
            first, end = (int(word) for word in text.split(":"))
            _refuse_many(end - first)
            seeds = list(range(first, end))
        else:
            seeds = [int(word) for word in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0:
        raise ConfigError(
            f"--seeds {text} names no seeds.", "Type 0:5 for 0 to 4, or 0,3,7; 0 is the smallest."
        )
    return seeds


def _point(values: dict[str, Any]) -> Point:
    words = (f"{short_name(name)}{_word(value)}" for name, value in values.items())
    return Point("-".join(words), nested(values))


def _word(value: Any) -> str:
    """A value as a part of a folder's name."""
    text = "+".join(value) if isinstance(value, list) else str(value)
    return "".join(letter if letter.isalnum() or letter in "._+-" else "_" for letter in text)
