"""A finding's pictures, as part of its page."""

from __future__ import annotations

import base64
import binascii

from qhw.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
