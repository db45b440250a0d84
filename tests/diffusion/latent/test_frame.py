from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion.latent.frame import Frame


def test_blocks_are_averaged() -> None:
    pictures = torch.rand(2, 3, 8, 8)
    looked = Frame(3, 4).look(pictures)
    assert looked[1, 2, 3, 0] == pytest.approx(float(pictures[1, 2, 6:, :2].mean()))


def test_grey_is_pillow_s_grey() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(pixels).convert("L"), dtype=float)
    pictures = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    assert np.abs(Frame(1, 5).look(pictures)[0, 0].numpy() * 255 - wanted).max() < 1


def test_smaller_pictures_are_enlarged() -> None:
    assert Frame(3, 16).look(torch.full((1, 3, 4, 4), 0.25)).unique().tolist() == [0.25]


@pytest.mark.parametrize(("channels", "side"), [(2, 8), (3, 0)])
def test_other_frames_are_refused(channels: int, side: int) -> None:
    with pytest.raises(ValueError, match="need 1 or 3 channels"):
        Frame(channels, side)
