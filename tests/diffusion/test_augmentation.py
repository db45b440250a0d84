from __future__ import annotations

import torch

from diffusion.augmentation import STRONGEST_NOISE, cut_out, mirrored, noised, shifted


def dots() -> torch.Tensor:
    pictures = torch.zeros(400, 1, 16, 16)
    pictures[:, :, 8, 6] = 1
    return pictures


def test_pictures_are_moved_each_by_itself() -> None:
    moved = shifted(dots(), 2, torch.Generator().manual_seed(0), "constant")
    rows, columns = moved.flatten(1).argmax(1) // 16, moved.flatten(1).argmax(1) % 16
    assert [int(x) for x in (rows.min(), rows.max(), columns.min(), columns.max())] == [6, 10, 4, 8]
    assert len({(int(r), int(c)) for r, c in zip(rows, columns, strict=True)}) == 25
    assert torch.equal(moved.sum(dim=(1, 2, 3)), torch.ones(400))


def test_what_comes_in_from_outside_is_black_or_the_picture_itself() -> None:
    white = torch.ones(50, 3, 8, 8)
    black = shifted(white, 2, torch.Generator().manual_seed(0), "constant")
    itself = shifted(white, 2, torch.Generator().manual_seed(0), "reflect")
    assert float(black.min()) == 0
    assert torch.equal(itself, white)


def test_half_of_the_pictures_are_mirrored() -> None:
    flipped = mirrored(dots(), torch.Generator().manual_seed(0)).flatten(1).argmax(1) % 16
    assert set(flipped.tolist()) == {6, 9}
    assert 150 < int((flipped == 9).sum()) < 250


def test_noise_is_of_many_strengths_and_stays_in_range() -> None:
    grey = torch.full((200, 1, 32, 32), 0.5)
    spread = noised(grey, torch.Generator().manual_seed(0)).flatten(1).std(1)
    assert 0 <= float(spread.min()) < 0.1 * STRONGEST_NOISE
    assert 0.9 * STRONGEST_NOISE < float(spread.max()) < 1.1 * STRONGEST_NOISE
    bright = noised(torch.ones(200, 1, 8, 8), torch.Generator().manual_seed(0))
    assert float(bright.max()) == 1


def test_a_square_is_cut_out_anywhere_within_and_nowhere_else() -> None:
    pictures = torch.rand(500, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    cut = cut_out(pictures, torch.Generator().manual_seed(0))
    holes = (cut != pictures).any(1)
    assert holes.flatten(1).sum(1).tolist() == [4] * 500
    assert holes.any(0).all()
    rows, columns = holes.any(2), holes.any(1)
    assert rows.sum(1).tolist() == columns.sum(1).tolist() == [2] * 500
    assert torch.equal(cut[holes[:, None].expand_as(cut)], torch.full((500 * 12,), 0.5))
