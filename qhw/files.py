"""Where things are kept, and how files are written so that nobody meets half of one.

Whatever the disk refuses is told with the place it was refused at; so is what cannot be read back.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from qhw.errors import DamagedFileError, OutputError

T = TypeVar("T")

WHAT_TO_DO = {
    errno.ENOSPC: "Free some space there, or name another place; then type the same command again.",
    errno.EDQUOT: "Your quota is used up: free some space, or name another place.",
    errno.EFBIG: "Files of this size are not allowed there: `ulimit -f`, or name another place.",
}
"""By what the disk said."""
NAME_ANOTHER = "Name a folder that you may write to: none of its parts may be a file."


@dataclass(frozen=True)
class Cache:
    """What is kept between commands and can be made anew: circuits, verdicts, played baselines.

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

    @property
    def real_pictures(self) -> Path:
        """What every eye sees in a bundle's real pictures, one file per bundle."""
        return self.root / "real-pictures"

    def count(self) -> dict[str, int]:
        """How much of each there is; real pictures by bundle."""
        return {
            "circuits": len(list(self.transpiled.glob("*/*.qpy"))),
            "folded": len(list(self.folded.glob("*/*.qpy"))),
            "verdicts": len(list(self.verdicts.glob("*.json"))),
            "baselines": len(list(self.baselines.glob("*.safetensors"))),
            "real pictures": len(list(self.real_pictures.glob("*.safetensors"))),
        }

    def clear(self) -> dict[str, int]:
        """Delete everything; returns what `count` gave before.

        Raises:
            OutputError: If it cannot be deleted.
        """
        counts = self.count()
        circuits = (self.transpiled, self.folded, self.verdicts)
        for part in (*circuits, self.baselines, self.real_pictures):
            if part.exists():
                with writing(part):
                    shutil.rmtree(part)
        return counts


@dataclass(frozen=True)
class UserData:
    """What is kept for good, for its user alone: paid work, and what was measured.

    Attributes:
        root: The user's data folder by default.
    """

    root: Path

    @classmethod
    def of_user(cls) -> UserData:
        """The one that commands use; XDG_DATA_HOME moves it."""
        return cls(Path(platformdirs.user_data_dir("qhw")))

    @property
    def ledger(self) -> Path:
        """Every job that was paid for; a file."""
        return self.root / "ledger.sqlite"

    @property
    def local_jobs(self) -> Path:
        """Jobs of the devices that run here, one folder per device."""
        return self.root / "local_jobs"

    @property
    def affine_maps(self) -> Path:
        """Fitted maps of error mitigation, one file per device and circuit."""
        return self.root / "affine"

    @property
    def snapshots(self) -> Path:
        """Calibrations of devices, one folder per device."""
        return self.root / "snapshots"

    @property
    def named(self) -> Path:
        """Circuits that programs without a run began with, one folder for each name."""
        return self.root / "named"

    @property
    def measurements(self) -> Path:
        """What `qhw calibrate --measure` measured, one folder per device and circuit."""
        return self.root / "measurements"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which place it was where the disk refused what is done in this context.

    Args:
        path: A file or a folder.

    Raises:
        OutputError: In place of what the operating system raises.
    """
    try:
        yield
    except OSError as error:
        hint = WHAT_TO_DO.get(error.errno or 0, NAME_ANOTHER)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.", hint) from error


def refusal(error: OSError | OutputError) -> str:
    """What the disk refused, for a message that says more."""
    return error.message if isinstance(error, OutputError) else str(error)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing.

    Raises:
        OutputError: If it cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that is to be new and is there.

    Raises:
        OutputError: If it is.
    """
    if folder.exists():
        raise OutputError(f"{folder} is there already.", "Name another folder, or remove that one.")


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone (0700).

    Raises:
        OutputError: If it cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        with writing(folder):
            folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def whole_folder(folder: Path, mode: int = 0o777) -> Iterator[Path]:
    """Make a folder, or replace it, in one step: it appears once everything is in it.

    Args:
        folder: Those above it must be there.
        mode: Who may use it; the user's mask takes its part away.

    Yields:
        What to write into; it is gone if that fails.

    Raises:
        OutputError: If the disk refuses.
    """
    filling = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(filling, ignore_errors=True)
    try:
        with writing(folder):
            filling.mkdir(mode=mode)
            yield filling
            shutil.rmtree(folder, ignore_errors=True)
            filling.rename(folder)
    finally:
        shutil.rmtree(filling, ignore_errors=True)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old or the new one, never a half.

    Raises:
        OutputError: If the disk refuses; what was there stays.
    """
    # A name of its own: two processes, or machines, may keep the same file at once.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, readable by a person.

    Raises:
        OutputError: If the disk refuses; what was there stays.
    """
    replace_file(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DamagedFileError: If it is not there, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DamagedFileError(
            f"{path} is not there.", "Put back a copy; the command that wrote it makes it anew."
        ) from error
    except OSError as error:
        raise DamagedFileError.of(path, error.strerror) from error
    except ValueError as error:
        raise DamagedFileError.of(path, error) from error


def read_record(path: Path, kind: Callable[..., T]) -> T:
    """Read a JSON table whose names are the fields of a dataclass.

    Args:
        path: The file.
        kind: The dataclass.

    Raises:
        DamagedFileError: If it is not there, is no JSON, or has other fields.
    """
    values = read_json(path)
    try:
        return kind(**values)
    except TypeError as error:
        raise DamagedFileError.of(path, error) from error
