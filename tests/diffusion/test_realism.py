from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffusion.metrics import frechet_distance
from diffusion.realism import realism


def corners(images: Tensor) -> Tensor:
    """The four pixels of 2 x 2 pictures."""
    return images.flatten(1)


def test_distances_are_the_mean_over_two_sets_and_that_between_them() -> None:
    pictures = torch.rand(60, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    made, one, other = (corners(part) for part in pictures.chunk(3))
    (seen,) = realism(pictures[:20], pictures[20:], {"corners": corners}).values()
    between = frechet_distance(made, one), frechet_distance(made, other)
    assert seen.generated == pytest.approx(sum(between) / 2)
    assert seen.real == pytest.approx(frechet_distance(one, other))
    assert seen.ratio == pytest.approx(seen.generated / seen.real)


def test_brighter_pictures_are_as_far_as_they_are_brighter() -> None:
    pictures = torch.rand(3000, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    (seen,) = realism(pictures[:1000] + 0.5, pictures[1000:], {"corners": corners}).values()
    assert seen.generated == pytest.approx(4 * 0.5**2, abs=0.05)
    assert seen.ratio > 100


def test_sets_of_other_sizes_are_refused() -> None:
    pictures = torch.rand(30, 1, 2, 2)
    with pytest.raises(ValueError, match="10 pictures need 20 real ones: 19"):
        realism(pictures[:10], pictures[:19], {"corners": corners})
