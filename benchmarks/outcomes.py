"""What trained controllers came to, kept in half precision so that a fresh clone goes on from it.

A file holds an outcome's columns and the settings behind it. Whoever recalls it says the settings
that it should have: where one of those that were written differs, it is refused. A setting that did
not exist when it was written may have come since.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.discriminator import discriminator_digest
from qhw.config import RunConfig, dotted
from qhw.evaluation.baselines import columns_of, outcome_of_columns
from qhw.evaluation.judges import Outcome
from qhw.training.parts import open_bundle, reward_config

FOLDER = Path(__file__).parent / "outcomes"
SETTINGS = "settings"


def is_kept(name: str) -> bool:
    """Whether there is an outcome of that name."""
    return _path(name).exists()


def keep(name: str, outcome: Outcome, config: RunConfig) -> None:
    """Write an outcome with the settings that it was trained under."""
    columns: dict[str, Any] = {
        key: column.astype(np.float16) for key, column in columns_of(outcome).items()
    }
    columns[SETTINGS] = np.array(json.dumps(facts(config)))
    FOLDER.mkdir(exist_ok=True)
    unfinished = _path(name).with_suffix(".tmp.npz")
    np.savez_compressed(unfinished, **columns)
    unfinished.replace(_path(name))


def recall(name: str, config: RunConfig) -> Outcome:
    """What `keep` wrote.

    Raises:
        ValueError: If it was trained under other settings or on another model.
    """
    with np.load(_path(name)) as file:
        columns = {key: file[key] for key in file.files}
    written, now = json.loads(str(columns.pop(SETTINGS))), facts(config)
    others = [key for key, value in written.items() if now.get(key) != value]
    if others:
        raise ValueError(f"{_path(name)} was made under other settings: {', '.join(others)}")
    return outcome_of_columns({key: column.astype(float) for key, column in columns.items()})


def facts(config: RunConfig) -> dict[str, Any]:
    """The settings by their dotted names, and the digests of the model and its discriminator."""
    settings = dotted(config.model_dump(mode="json"))
    bundle = open_bundle(config.environment.bundle)
    found = {**settings, "bundle": bundle.card.digest}
    if reward_config(config.environment.reward, bundle.card).needs_discriminator:
        found["discriminator"] = discriminator_digest(bundle)
    return found


def _path(name: str) -> Path:
    return FOLDER / f"{name}.npz"
