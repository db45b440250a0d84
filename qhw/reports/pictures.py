"""PNG files beside a report, as part of its page."""

from __future__ import annotations

import base64
import binascii
import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from qhw.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SHARP = 512
"""Pictures no wider than this are enlarged, each pixel staying a square."""


@dataclass(frozen=True)
class ShownPicture:
    """A picture on the page.

    Attributes:
        name: Of its file, without the ending.
        address: All of it, as a data URI.
        caption: What it shows.
        width: Pixels.
        height: Pixels.
        sharp: Whether it is enlarged with sharp pixels.
    """

    name: str
    address: str
    caption: str
    width: int
    height: int
    sharp: bool


def read_pictures(folder: Path) -> list[ShownPicture]:
    """All PNG files of a folder, by name, with the captions of its `captions.json`.

    Raises:
        DataError: If a file is no picture, or the captions are damaged.
    """
    paths = sorted(folder.glob("*.png"))
    captions = _captions(folder / "captions.json") if paths else {}
    return [_read(path, captions) for path in paths]


def data_uri(png: str) -> str:
    """Address of a PNG given in base64.

    Raises:
        DataError: If it is none.
    """
    try:
        content = base64.b64decode(png, validate=True)
    except binascii.Error:
        content = b""
    if not content.startswith(SIGNATURE):
        raise DataError(
            f"A gallery holds {png[:40]!r}, which is no PNG in base64.",
            "Analyse again: `qhw report noise ... --step analyse`.",
        )
    return f"data:image/png;base64,{png}"


def _read(path: Path, captions: dict[str, str]) -> ShownPicture:
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is no picture.", "Delete it, or make it anew.") from error
    caption = captions.get(path.stem) or captions.get(path.name) or path.stem.replace("_", " ")
    address = data_uri(base64.b64encode(content).decode())
    return ShownPicture(path.stem, address, caption, width, height, width <= SHARP)


def _captions(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        captions = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error}", "Mend it, or delete it.") from error
    if not isinstance(captions, dict) or not all(isinstance(v, str) for v in captions.values()):
        raise DataError(f"{path} holds no captions.", 'Give it as {"picture": "caption"}.')
    return captions
