"""A deployment on a device is written down before anything is paid for, so that it can go on."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from qhw.config import MethodName
from qhw.console.tables import from_here
from qhw.errors import ConfigError, DamagedFileError
from qhw.files import make_folder, read_record, write_json

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

    @classmethod
    def open(
        cls, folder: Path, settings: dict[str, Any], command: str, *, resume: bool, fresh: bool
    ) -> DeploymentRecord:
        """Take up the deployment in a folder, or a new one, which `write` begins.

        Raises:
            DamagedFileError: If it cannot be read.
            ConfigError: If an unfinished one is there and neither `resume` nor `fresh` says what
                to do, or the one that is to be resumed was asked for something else.
        """
        path = folder / FILE
        written = _written(path) if path.exists() else None
        # Where nothing began there is nothing to lose: the same command may be typed again.
        if resume and written is not None:
            return replace(_resumable(folder, written, settings), command=command)
        if written is not None and not written.finished and not fresh:
            raise ConfigError(
                f"A deployment in {from_here(folder)} is not finished; what it paid for would be "
                "paid for again.",
                f"Go on with it: `{written.command}`, or add --fresh to begin anew.",
            )
        return cls(uuid.uuid4().hex[:16], settings, command)

    def write(self, folder: Path) -> None:
        """Write it down, in a folder that is made when missing."""
        make_folder(folder)
        write_json(folder / FILE, asdict(self))


def _written(path: Path) -> DeploymentRecord:
    """The deployment in a file; without it nobody knows which jobs were its own."""
    try:
        return read_record(path, DeploymentRecord)
    except DamagedFileError as error:
        raise DamagedFileError(
            error.message,
            "Put back a copy of it. `qhw jobs list` tells what was paid for; to begin anew, which "
            "pays again, delete the file.",
        ) from error


def _resumable(
    folder: Path, written: DeploymentRecord, settings: dict[str, Any]
) -> DeploymentRecord:
    """The deployment, if it was asked for the same."""
    changed = {
        name: f"{name} = {value} instead of {written.settings.get(name)}"
        for name, value in settings.items()
        if value != written.settings.get(name)
    }
    if changed:
        raise ConfigError(
            f"The deployment in {from_here(folder)} was begun with other settings: "
            f"{', '.join(changed.values())}.",
            "The run was trained further: begin anew with --fresh instead of --resume."
            if "update" in changed
            else f"Type `{written.command}`, or begin anew with --fresh instead of --resume.",
        )
    return written
