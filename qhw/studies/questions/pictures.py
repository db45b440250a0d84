"""Pictures as parts of a finding."""

from __future__ import annotations

import base64
import io

import numpy as np

from qhw.studies.finding import GalleryRow
from qhw.studies.store import FloatArray


def gallery_row(name: str, pictures: FloatArray) -> GalleryRow:
    """Turn pictures (N, 1 or 3, h, w) in [0, 1] into a row of a gallery."""
    return GalleryRow(name=name, pictures=tuple(png_text(picture) for picture in pictures))


def png_text(picture: FloatArray) -> str:
    """One picture (1 or 3, h, w) in [0, 1] as a PNG file in base64, pixel by pixel."""
    from PIL import Image

    pixels = np.moveaxis((picture.clip(0, 1) * 255).round().astype(np.uint8), 0, -1)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
