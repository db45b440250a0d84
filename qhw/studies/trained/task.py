"""One training of a study, known by its settings: two studies share what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qhw.config import RunConfig, dotted, merge, parse_config
from qhw.errors import ConfigError
from qhw.evaluation.setting import name_of
from qhw.studies.trained.catalogue import Settings, TrainedStudy

OF_CIRCUITS = ("backend", "gradient", "hardware", "actor")
"""Tables of settings that a classical actor has no use for, or only in part."""
DIGITS = 12
"""Of a digest, in a run's name."""
FEWEST_LATENTS = 20
"""Of any table."""


@dataclass(frozen=True)
class Task:
    """A training, and the arm it is of.

    Attributes:
        arm: Its name in the study.
        seed: Of the training.
        config: Its settings.
        played: Those that it plays under, where they are others.
    """

    arm: str
    seed: int
    config: RunConfig
    played: RunConfig | None = None

    @property
    def name(self) -> str:
        """Of its run: a digest of the settings that are not the default, and the seed."""
        return f"{name_of(unusual(self.config))[:DIGITS]}-seed{self.seed}"


def unusual(config: RunConfig) -> dict[str, Any]:
    """Settings that differ from the defaults, by their dotted names, without the seed.

    A setting that comes with a later version changes nothing of it where it stays at its default.
    """
    usual, settings = (dotted(each.model_dump(mode="json")) for each in (parse_config({}), config))
    found = {name: value for name, value in settings.items() if usual.get(name) != value}
    return {**{k: v for k, v in found.items() if k != "seed"}, "defaults": config.defaults}


def tasks_of(
    study: TrainedStudy, seeds: Sequence[int], base: RunConfig, table: int = FEWEST_LATENTS
) -> list[Task]:
    """All trainings of a study, seed by seed: what is there after a stop is even.

    Args:
        study: What is varied.
        seeds: Of the trainings.
        base: What the user set for all of them.
        table: Latents of the table that a training ends with, which a study has no use for.

    Raises:
        ConfigError: If work would be paid for, the user set what the study varies or holds, or
            settings do not fit an arm.
    """
    # Before what is held: a device has a table of its own size.
    if base.backend.takes_jobs:
        raise ConfigError(
            f"Many trainings on {base.backend.name!r} would send jobs from several runs at once.",
            "Take a simulator.",
        )
    held = (*study.varied, *study.held, "evaluation.latents")
    both = sorted(name for name in unusual(base) if name.startswith(held))
    both += ["seed"] if base.seed else []
    if both:
        raise ConfigError(
            f"{', '.join(both)}: the study {study.name!r} sets that itself.", "Leave it out."
        )
    settings = base.model_dump(mode="json", exclude_unset=True)
    settings = merge(settings, {"evaluation": {"latents": table}})
    return [_task(study, arm, seed, settings) for seed in seeds for arm in study.arms]


def _task(study: TrainedStudy, arm: str, seed: int, typed: Settings) -> Task:
    settings = {**_of_arm(typed, study.arms[arm]), "seed": seed}
    config = parse_config(settings)
    if arm not in study.played:
        return Task(arm, seed, config)
    # Of what it was trained under, nothing that the study varies stays.
    kept = {**_of_arm(typed, {}), "seed": seed}
    return Task(arm, seed, config, parse_config(merge(kept, study.played[arm])))


def _of_arm(typed: Settings, changed: Settings) -> Settings:
    """An arm's settings; a classical actor runs no circuit, and takes nothing that is about one."""
    if changed.get("actor", {}).get("kind", "ring") == "ring":
        return merge(typed, changed)
    actor = {name: value for name, value in typed.get("actor", {}).items() if name != "circuit"}
    kept = {name: value for name, value in typed.items() if name not in OF_CIRCUITS}
    return merge({**kept, **({"actor": actor} if actor else {})}, changed)
