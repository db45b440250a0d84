"""Which deployment on a device is under way, so that it is resumed and never paid twice."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from qhw.backends.mitigation.method import MethodName
from qhw.console import from_here
from qhw.errors import ConfigError
from qhw.files import write_json

FILE = "deployment.json"


@dataclass(frozen=True)
class DeploymentRecord:
    """One deployment.

    Attributes:
        id: Its identity in the ledger.
        settings: What was asked; a resumed deployment must ask the same.
        command: What goes on with it, under the limits that were given last.
        mitigation: The method it began with; None before that is decided.
        finished: Whether its pictures are there.
    """

    id: str
    settings: dict[str, Any]
    command: str
    mitigation: MethodName | None = None
    finished: bool = False


def open_record(
    folder: Path, settings: dict[str, Any], command: str, *, resume: bool, fresh: bool
) -> DeploymentRecord:
    """Take up the deployment in a folder, or a new one, which `write_record` begins.

    Raises:
        ConfigError: If an unfinished one is there and neither `resume` nor `fresh` says what to do,
            or there is none to resume, or it was asked for something else.
    """
    kept = _read(folder)
    if resume:
        return replace(_resumed(folder, kept, settings), command=command)
    if kept is not None and not kept.finished and not fresh:
        raise ConfigError(
            f"A deployment in {from_here(folder)} is not finished; what it paid for would be paid "
            "for again.",
            f"Go on with it: `{kept.command}`, or add --fresh to begin anew.",
        )
    return DeploymentRecord(uuid.uuid4().hex[:16], settings, command)


def write_record(folder: Path, record: DeploymentRecord) -> None:
    """Write a deployment down, before anything is sent for it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, asdict(record))


def finish(folder: Path, record: DeploymentRecord) -> None:
    """Mark the deployment as finished."""
    write_record(folder, replace(record, finished=True))


def _resumed(
    folder: Path, kept: DeploymentRecord | None, settings: dict[str, Any]
) -> DeploymentRecord:
    if kept is None:
        raise ConfigError(
            f"There is no deployment to resume in {from_here(folder)}.", "Leave --resume out."
        )
    changed = [
        f"{name} = {settings[name]} instead of {kept.settings.get(name)}"
        for name in settings
        if settings[name] != kept.settings.get(name)
    ]
    if changed:
        raise ConfigError(
            f"The deployment in {from_here(folder)} was begun with other settings: "
            f"{', '.join(changed)}.",
            _how_to_go_on(kept, settings),
        )
    return kept


def _how_to_go_on(kept: DeploymentRecord, settings: dict[str, Any]) -> str:
    if settings["update"] != kept.settings.get("update"):
        return "The run was trained further: begin anew with --fresh instead of --resume."
    return f"Type `{kept.command}`, or begin anew with --fresh instead of --resume."


def _read(folder: Path) -> DeploymentRecord | None:
    path = folder / FILE
    if not path.exists():
        return None
    return DeploymentRecord(**json.loads(path.read_text(encoding="utf-8")))
