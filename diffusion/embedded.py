"""The bundles that ship with the package, and whether a bundle's files are those of its card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PRETRAINED = Path(__file__).parent / "pretrained"
EMBEDDED: dict[str, Path] = {
    "fashion-mnist": _PRETRAINED / "fashion-mnist",
    "fashion-mnist-28": _PRETRAINED / "fashion-mnist-28",
    "cifar10": _PRETRAINED / "cifar10",
    "fashion-mnist-0.1": _PRETRAINED / "fashion-mnist" / "card-0.1.json",
}
"""Folder or card by name; the last one's weights are the first one's."""
DEFAULT = "fashion-mnist"


def require_whole(folder: Path, checksums: Mapping[str, str]) -> None:
    """Refuse files that are not those of a card.

    Args:
        folder: Where they are.
        checksums: SHA-256 by file name, as the card gives them.

    Raises:
        FileNotFoundError: If one is missing.
        ValueError: If one differs, or a name leads out of the folder.
    """
    for name, expected in checksums.items():
        if Path(name).name != name:
            raise ValueError(f"the card names {name!r}, which is no file of its own folder")
        actual = sha256(folder / name)
        if actual != expected:
            raise ValueError(
                f"{folder / name} has SHA-256 {actual[:12]}..., its card says {expected[:12]}...: "
                "the file is damaged or was replaced"
            )


def sha256_once(path: Path) -> str:
    """Of gigabytes, so that a process reads an unchanged file once."""
    facts = path.stat()
    return _sha256(path, facts.st_size, facts.st_mtime_ns)


@cache
def _sha256(path: Path, _size: int, _written: int) -> str:
    return sha256(path)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
