"""What every study has in common: it acquires to files, resumably, and analyses files alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qhw.files import replace_file
from qhw.runs.directory import RunDirectory
from qhw.studies.finding import Finding

Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Scope:
    """What a report is about.

    Attributes:
        runs: Trained runs; the first is the subject, further ones are other seeds or backends.
        folder: The report's; `data/STUDY/` holds what was acquired, `analysis/` what was found.
        full: Take the long version: more latents, conditions and seeds.
        device: Snapshot whose noise is studied, such as `fake_brisbane`.
        tell: Shown what is being acquired.
    """

    runs: tuple[RunDirectory, ...]
    folder: Path
    full: bool
    device: str
    tell: Callable[[str], None] = lambda _: None

    def data(self, study: str) -> Path:
        """Folder of a study's acquired files."""
        return self.folder / "data" / study

    @property
    def analysis(self) -> Path:
        """Folder of all findings."""
        return self.folder / "analysis"


class Study(Protocol):
    """One question about what noise does to a trained controller."""

    @property
    def name(self) -> str:
        """Its identifier, such as `shots`."""

    def acquire(self, scope: Scope) -> None:
        """Measure what is not there yet, one file per condition."""

    def analyse(self, scope: Scope) -> Finding:
        """Turn the files into a finding; opens no backend and no model.

        Raises:
            DataError: If a file is missing: acquire first.
        """


def kept(path: Path, measure: Callable[[], Arrays]) -> dict[str, NDArray[np.float64]]:
    """The arrays in a file; measured and kept there, in one step, if it does not exist."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, measure())
    return read_arrays(path)


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Keep named arrays as .npz without pickle."""
    buffer = io.BytesIO()
    contents: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(buffer, **contents)
    replace_file(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read what `write_arrays` kept."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
