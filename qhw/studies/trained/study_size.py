"""How much a study trains and plays, where it is not told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class StudySize:
    """What a study takes; these are the defaults.

    Attributes:
        seeds: Trainings of every arm.
        latents: That every controller plays.
        folder: Of all studies of this size.
        settings: Of all arms, where the user sets nothing else.
    """

    seeds: int = 5
    latents: int = 2000
    folder: Path = Path("studies")
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def quick(cls) -> Self:
        """A first look; its trainings are too short to compare anything, so they lie apart."""
        return cls(2, 500, cls().folder / "quick", {"ppo": {"updates": 20}})

    def told(self, seeds: int | None, latents: int | None, folder: Path | None) -> Self:
        """With what was typed."""
        return replace(
            self,
            seeds=seeds or self.seeds,
            latents=latents or self.latents,
            folder=folder or self.folder,
        )
