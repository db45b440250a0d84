"""How much a study trains and plays, where it is not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from qhw.config.sections import PpoSection

FIRST_LOOK = (
    "A first look: trainings are of less than half the default's transitions, and what is said "
    "holds for such trainings alone."
)


@dataclass(frozen=True)
class StudySize:
    """What a study takes; these are the defaults.

    Attributes:
        seeds: Trainings of every arm.
        latents: That every controller plays.
        folder: Of all studies of this size.
        settings: Of all arms, where no option says otherwise.
    """

    seeds: int = 5
    latents: int = 2000
    folder: Path = Path("studies")
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def quick(cls) -> Self:
        """A first look, which lies apart: a fifth of the transitions, in as many updates."""
        return cls(
            seeds=2,
            latents=500,
            folder=cls().folder / "quick",
            settings={"ppo": {"environments": 20}},
        )

    def told(self, seeds: int | None, latents: int | None, folder: Path | None) -> Self:
        """With what was typed."""
        return replace(
            self,
            seeds=seeds or self.seeds,
            latents=latents or self.latents,
            folder=folder or self.folder,
        )


def is_first_look(settings: Mapping[str, Any]) -> bool:
    """Whether settings of all arms, by their dotted names, train on less than half the default."""
    usual = PpoSection()
    updates = settings.get("ppo.updates", usual.updates)
    environments = settings.get("ppo.environments", usual.environments)
    return bool(2 * updates * environments < usual.updates * usual.environments)
