"""A folder as bytes and back: what a task made, on its way between machines."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from qhw.errors import DamagedFileError
from qhw.files import make_folder, whole_folder


def packed(folder: Path) -> bytes:
    """All files of a folder, as a compressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return buffer.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Make a folder, or replace it, by what `packed` gave; it appears whole.

    Raises:
        DamagedFileError: If the archive is damaged, or names a place outside of the folder.
        OutputError: If the disk refuses.
    """
    make_folder(folder.parent)
    with whole_folder(folder) as filling:
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
                archive.extractall(filling, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise DamagedFileError.of(folder.name, error) from error
