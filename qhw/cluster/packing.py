"""A folder as bytes and back: what a task made, on its way between machines."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path

from qhw.errors import DamagedFileError
from qhw.files import make_folder, whole_folder


def packed(folder: Path) -> bytes:
    """All files of a folder, as a compressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return gzip.compress(buffer.getvalue())


def unpack(content: bytes, folder: Path, origin: str) -> None:
    """Make a folder, or replace it, by what `packed` gave; it appears whole.

    Args:
        content: The archive.
        folder: The folder.
        origin: Where the archive is, for an error.

    Raises:
        DamagedFileError: If the archive is damaged, or names a place outside of the folder.
        OutputError: If the disk refuses.
    """
    try:
        # tarfile alone stops at its last file, and never sees the checksum behind it.
        whole = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedFileError.of(origin, error) from error
    make_folder(folder.parent)
    with whole_folder(folder) as filling:
        try:
            with tarfile.open(fileobj=io.BytesIO(whole), mode="r:") as archive:
                archive.extractall(filling, filter="data")
        except tarfile.TarError as error:
            raise DamagedFileError.of(origin, error) from error
