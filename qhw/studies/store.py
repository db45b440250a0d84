"""Where a study keeps what it acquires: files that appear whole, are read back, or are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhw.errors import DamagedFileError, DataError
from qhw.files import make_folder, read_json, replace_file, write_json

FloatArray = NDArray[np.float64]
Arrays = Mapping[str, FloatArray]


def not_acquired(what: str) -> DataError:
    """The refusal to analyse what was not measured; `what` is a sentence without its full stop."""
    return DataError(f"{what} yet.", "Acquire first: `qhw report noise ... --step acquire`.")


@dataclass(frozen=True)
class Store:
    """One study's acquired files.

    A file's name holds all that its numbers depend on, so that those of another run, device or
    length are other files: they are never taken for the ones that are asked for.

    Attributes:
        folder: Where they are, such as `REPORT/data/features`.
        tell: Shown what is being acquired.
    """

    folder: Path
    tell: Callable[[str], None] = lambda _: None

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.folder / name

    def holds(self, name: str) -> bool:
        """Whether a file was acquired."""
        return self.path(name).exists()

    def acquire(self, name: str, what: str, measure: Callable[[], Arrays]) -> None:
        """Measure arrays that are not there yet, and keep them in one step."""
        if not self.holds(name):
            self.tell(what)
            self.keep(name, measure())

    def keep(self, name: str, arrays: Arrays) -> None:
        """Keep named arrays."""
        make_folder(self.folder)
        write_arrays(self.path(name), arrays)

    def keep_json(self, name: str, value: Any) -> None:
        """Keep facts."""
        make_folder(self.folder)
        write_json(self.path(name), value)

    def arrays(self, name: str) -> dict[str, FloatArray]:
        """Read arrays.

        Raises:
            DataError: If they were not acquired yet.
        """
        return read_arrays(self._required(name))

    def json(self, name: str, missing: str = "") -> Any:
        """Read facts.

        Args:
            name: The file's.
            missing: What is said where it is not there, a sentence that goes on with `yet.`.

        Raises:
            DataError: If they were not acquired yet.
            DamagedFileError: If they cannot be read.
        """
        return read_json(self._required(name, missing))

    def _required(self, name: str, missing: str = "") -> Path:
        path = self.path(name)
        if not path.exists():
            raise not_acquired(missing or f"{path} is not there")
        return path


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Keep named arrays as .npz without pickle, in one step."""
    buffer = io.BytesIO()
    contents: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(buffer, **contents)
    replace_file(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, FloatArray]:
    """Read what `write_arrays` kept.

    Raises:
        DamagedFileError: If it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise DamagedFileError.of(path, error) from error
