"""What is kept between commands: circuits, verdicts on the engine, played baselines."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs


@dataclass(frozen=True)
class Cache:
    """One cache folder and its parts; nothing in it is lost that cannot be made anew.

    Attributes:
        root: The user's cache folder by default.
    """

    root: Path

    @classmethod
    def of_user(cls) -> Cache:
        """The one that commands use; XDG_CACHE_HOME moves it."""
        return cls(Path(platformdirs.user_cache_dir("qhw")))

    @property
    def transpiled(self) -> Path:
        """Circuits, one folder per device."""
        return self.root / "transpiled"

    @property
    def folded(self) -> Path:
        """Circuits whose noise is multiplied for extrapolation, one folder per device."""
        return self.root / "folded"

    @property
    def verdicts(self) -> Path:
        """How far the compiled engine was from Aer, one file per program."""
        return self.root / "verdicts"

    @property
    def baselines(self) -> Path:
        """Outcomes of guidance that needs no training, one file each."""
        return self.root / "baselines"

    def count(self) -> dict[str, int]:
        """How many circuits, folded circuits, verdicts and baselines there are."""
        return {
            "circuits": len(list(self.transpiled.glob("*/*.qpy"))),
            "folded": len(list(self.folded.glob("*/*.qpy"))),
            "verdicts": len(list(self.verdicts.glob("*.json"))),
            "baselines": len(list(self.baselines.glob("*.safetensors"))),
        }

    def clear(self) -> dict[str, int]:
        """Delete everything; returns what `count` gave before."""
        counts = self.count()
        for part in (self.transpiled, self.folded, self.verdicts, self.baselines):
            if part.exists():
                shutil.rmtree(part)
        return counts


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old or the new one, never a half."""
    # Its own name in each process: two may keep the same calibration at once.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, readable by a person."""
    replace_file(path, (json.dumps(value, indent=2) + "\n").encode())
