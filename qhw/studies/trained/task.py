"""One training of a study, known by its settings: two studies share what they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhw.config import RunConfig, dotted, merge
from qhw.errors import ConfigError
from qhw.studies.trained.catalogue import Settings, TrainedStudy

MakeConfig = Callable[[Settings], RunConfig]
OF_CIRCUITS = ("backend", "gradient", "hardware", "actor")
"""Tables of settings that a classical actor has no use for, or only in part."""
NO_TABLE = {"evaluation": {"latents": 20}}
"""A training ends with a table of its own, which a study does not need."""


@dataclass(frozen=True)
class Task:
    """A training, and the arm it is of.

    Attributes:
        arm: Its name in the study.
        seed: Of the training.
        config: Its settings.
    """

    arm: str
    seed: int
    config: RunConfig

    @property
    def name(self) -> str:
        """Of its run: a digest of its settings, and the seed."""
        settings = dotted(self.config.model_dump(mode="json"))
        return f"{digest({k: v for k, v in settings.items() if k != 'seed'})}-seed{self.seed}"


def digest(settings: Mapping[str, Any]) -> str:
    """Of settings: the same settings have the same."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def tasks_of(
    study: TrainedStudy, seeds: Sequence[int], typed: Settings, make: MakeConfig
) -> list[Task]:
    """All trainings of a study, seed by seed: what is there after a stop is even.

    Args:
        study: What is varied.
        seeds: Of the trainings.
        typed: What the user set for all of them.
        make: Makes a configuration of settings.

    Raises:
        ConfigError: If the user set what the study varies, or settings do not fit an arm.
    """
    both = sorted(study.varied & set(dotted(typed)) | {"seed"} & set(typed))
    if both:
        raise ConfigError(
            f"{', '.join(both)} is what the study {study.name!r} varies.", "Leave it out."
        )
    return [
        Task(arm, seed, make({**_of_arm(merge(typed, NO_TABLE), changed), "seed": seed}))
        for seed in seeds
        for arm, changed in study.arms.items()
    ]


def _of_arm(typed: Settings, changed: Settings) -> Settings:
    """An arm's settings; a classical actor runs no circuit, and takes nothing that is about one."""
    if changed.get("actor", {}).get("kind", "ring") == "ring":
        return merge(typed, changed)
    actor = {name: value for name, value in typed.get("actor", {}).items() if name != "circuit"}
    kept = {name: value for name, value in typed.items() if name not in OF_CIRCUITS}
    return merge({**kept, **({"actor": actor} if actor else {})}, changed)
