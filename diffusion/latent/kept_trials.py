"""What was played in a calibration, kept so that it is played once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from diffusion.headroom import Candidate, Trial
from diffusion.rewards import PRICE_FORMS

_COLUMNS = ("unpriced", "log_probability", "correct", "features")


@dataclass(frozen=True)
class KeptTrials:
    """Trials on disk.

    Attributes:
        folder: Where they lie; it must be there.
        facts: All that they depend on, beside candidate and number of latents; plain JSON.
    """

    folder: Path
    facts: dict[str, Any]

    def recall(self, candidate: Candidate, count: int, play: Callable[[], Trial]) -> Trial:
        """A candidate's trial on the first so many latents, played if it was not.

        Raises:
            ValueError: If what was kept is damaged, or of another model or other settings.
        """
        name = f"{candidate.low:g}_{candidate.slope:g}_{count}.safetensors"
        path = self.folder / name
        if not path.exists():
            self._keep(path, play())
        return self._read(path, candidate)

    def _keep(self, path: Path, trial: Trial) -> None:
        columns = {name: torch.from_numpy(getattr(trial, name)) for name in _COLUMNS}
        prices = {f"price/{form}": torch.from_numpy(price) for form, price in trial.prices.items()}
        unfinished = path.with_suffix(".part")
        save_file({**columns, **prices}, unfinished, metadata={"facts": self._key})
        unfinished.replace(path)

    def _read(self, path: Path, candidate: Candidate) -> Trial:
        try:
            with safe_open(path, framework="np") as file:
                facts = (file.metadata() or {}).get("facts")
                columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged: {error}; delete it") from error
        if facts != self._key:
            raise ValueError(
                f"{path} was played with another model or other settings: name another folder, or "
                "delete this one"
            )
        prices = {form: columns[f"price/{form}"] for form in PRICE_FORMS}
        return Trial(candidate, prices=prices, **{name: columns[name] for name in _COLUMNS})

    @property
    def _key(self) -> str:
        return json.dumps(self.facts, sort_keys=True)
