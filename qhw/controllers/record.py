"""What `controller.json` of an exported controller holds."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from diffusion.actions import ActionMap
from diffusion.embedded import sha256
from qhw.config import RunConfig, parse_config
from qhw.errors import DamagedFileError
from qhw.files import read_json

RECORD = "controller.json"
WEIGHTS = "actor.safetensors"
CARD = "README.md"


class ControllerRecord(BaseModel):
    """An exported controller but for its weights.

    Attributes:
        format: Of the folder.
        qhw: Version that wrote it.
        name: The run it comes from.
        updates: PPO updates its weights have had.
        settings: The run's, as nested tables.
        trained_on: The backend's facts in words.
        own_backend: Whether that was a backend of the user's own, which no name opens.
        own_circuit: Digest of its circuit where that was the user's own, too; else empty.
        bundle: Name of the model whose pictures it was trained on.
        bundle_digest: Digest of that model's weights and settings.
        cfg_base: Guidance CFG_0 of action 0.
        latents: How many the returns below were measured on; None without a table.
        mean_return: Mean return with its 95 % interval over latents; None without a table.
        gain: The same, minus the best constant guidance.
        checksum: SHA-256 of the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    qhw: str
    name: str
    updates: int
    settings: dict[str, Any]
    trained_on: str
    own_backend: bool
    own_circuit: str
    bundle: str
    bundle_digest: str
    cfg_base: float
    latents: int | None
    mean_return: dict[str, float] | None
    gain: dict[str, float] | None
    checksum: str

    @cached_property
    def config(self) -> RunConfig:
        """The run's settings, checked."""
        return parse_config(self.settings)

    @property
    def actions(self) -> ActionMap:
        """How its actions become guidance."""
        asked = self.config.environment
        limits = asked.guidance_min, asked.guidance_max
        return ActionMap(self.cfg_base, limits, previous_action=asked.previous_action)


def read_controller_record(folder: Path) -> ControllerRecord:
    """Read and check a folder's record, and that its weights are the ones it tells of.

    Raises:
        DamagedFileError: If one is missing, or not what it claims to be.
    """
    path = folder / RECORD
    try:
        record = ControllerRecord.model_validate(read_json(path))
    except ValidationError as error:
        raise DamagedFileError.of(
            path, f"it is no controller's ({error.error_count()} faults)"
        ) from error
    if checksum(folder / WEIGHTS) != record.checksum:
        raise DamagedFileError.of(folder / WEIGHTS, "they are not the weights that were exported")
    return record


def checksum(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        DamagedFileError: If it cannot be read.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise DamagedFileError.of(path, error.strerror) from error
