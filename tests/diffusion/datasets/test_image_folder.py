"""Folders of pictures: what is read, and what is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion.datasets import load_dataset
from diffusion.datasets.image_folder import FEWEST, TEST_SHARE

RED, BLUE = (250, 10, 10), (10, 10, 250)
Shade = int | tuple[int, ...]


def write(
    folder: Path,
    shade: Shade,
    count: int,
    size: tuple[int, int] = (8, 8),
    suffixes: Sequence[str] = (".png",),
    mode: str = "RGB",
) -> None:
    """Pictures of one shade, the suffixes taking turns."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        Image.new(mode, size, shade).save(folder / f"{k}{suffixes[k % len(suffixes)]}")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes in colour, in both splits."""
    for part, count in FEWEST.items():
        write(tmp_path / part / "red", RED, count)
        write(tmp_path / part / "blue", BLUE, count)
    return tmp_path


def test_colours_and_classes_are_read(photos: Path) -> None:
    data = load_dataset("images", photos)
    assert data.class_names == ("blue", "red")
    assert data.train.images.shape == (2 * FEWEST["train"], 3, 8, 8)
    for images, labels in ((s.images, s.labels) for s in (data.train, data.test)):
        shades = [tuple(image[:, 0, 0].tolist()) for image in images]
        assert shades == [(BLUE, RED)[label] for label in labels]
    assert sorted(data.test.labels.tolist()) == [0] * FEWEST["test"] + [1] * FEWEST["test"]


def test_any_stretch_of_the_pictures_holds_all_classes(tmp_path: Path) -> None:
    for shade in range(4):
        write(tmp_path / "train" / str(shade), 60 * shade, 100, mode="L")
        write(tmp_path / "test" / str(shade), 60 * shade, 100, mode="L")
    data, again = (load_dataset("images", tmp_path) for _ in range(2))
    for split, same in ((data.train, again.train), (data.test, again.test)):
        for stretch in (split.labels[:100], split.labels[-100:]):
            assert torch.bincount(stretch, minlength=4).min() >= 10
        assert torch.equal(split.images[:, 0, 0, 0], (60 * split.labels).to(torch.uint8))
        assert torch.equal(split.labels, same.labels)


def test_png_jpeg_and_webp_are_read_and_other_files_are_not(tmp_path: Path) -> None:
    for name, shade in (("dark", (10, 20, 10)), ("light", (240, 250, 240))):
        write(tmp_path / name, shade, 24, suffixes=(".png", ".jpg", ".JPEG", ".webp"))
    (tmp_path / "dark" / "notes.txt").write_text("no picture")
    data = load_dataset("images", tmp_path)
    assert len(data.train.labels) + len(data.test.labels) == 48
    wanted = torch.where(data.train.labels == 0, 20, 250)
    green = data.train.images[:, 1].float().mean(dim=(1, 2))
    assert float((green - wanted).abs().max()) < 4, "JPEG and WebP lose a little"


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, 7, 24, mode="L")
    assert load_dataset("images", tmp_path).train.images.shape == (40, 1, 8, 8)


def test_a_folder_without_splits_is_split_by_the_seed(tmp_path: Path) -> None:
    for name, shade in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        for k in range(24):
            Image.new("L", (8, 8), 10 * k + shade).save(tmp_path / name / f"{k}.png")
    one, same, other = (load_dataset("images", tmp_path, seed=seed) for seed in (0, 0, 1))
    shades = [data.test.images[:, 0, 0, 0].tolist() for data in (one, same, other)]
    assert len(shades[0]) == 2 * (24 // TEST_SHARE)
    assert shades[0] == shades[1] != shades[2]
    assert not set(shades[0]) & set(one.train.images[:, 0, 0, 0].tolist())
    assert one.checksums == same.checksums != other.checksums


def test_pictures_are_cut_in_the_middle_and_averaged(photos: Path) -> None:
    wide = np.zeros((16, 32, 3), dtype=np.uint8)
    wide[:, 8:24] = 100
    wide[::2, 8:24] = 200
    Image.fromarray(wide).save(photos / "train" / "blue" / "0.png")
    data = load_dataset("images", photos, size=8)
    cut = [image for image in data.train.images if 150 in image.flatten().tolist()]
    assert [set(image.flatten().tolist()) for image in cut] == [{150}]


def test_a_change_of_one_picture_changes_the_checksum(photos: Path) -> None:
    before = load_dataset("images", photos).checksums
    Image.new("RGB", (8, 8), (1, 2, 3)).save(photos / "train" / "red" / "3.png")
    assert load_dataset("images", photos).checksums != before


def test_a_missing_split_or_class_is_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder: lay pictures out as DIR/train"):
        load_dataset("images", tmp_path / "nowhere")
    (photos / "test" / "red").rename(photos / "spare")
    with pytest.raises(ValueError, match="holds one class, 'blue'"):
        load_dataset("images", photos)
    write(photos / "test" / "green", (0, 255, 0), 4)
    with pytest.raises(ValueError, match="train has no folder 'green', which the other"):
        load_dataset("images", photos)
    (photos / "test").rename(photos / "held_out")
    with pytest.raises(FileNotFoundError, match="has train/ and no test/"):
        load_dataset("images", photos)


def test_nothing_and_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder of a class"):
        load_dataset("images", tmp_path)
    for name in ("a", "b"):
        write(tmp_path / name, 7, 3, mode="L")
    with pytest.raises(ValueError, match=r"holds 3 pictures .* of 'a' for train: at least 20"):
        load_dataset("images", tmp_path)


def test_grey_among_colour_is_refused(photos: Path) -> None:
    Image.new("L", (8, 8), 9).save(photos / "train" / "red" / "5.png")
    with pytest.raises(ValueError, match=r"red/5.png is grey and .*blue/0.png is in colour"):
        load_dataset("images", photos)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_other_channels_are_refused(photos: Path, mode: str) -> None:
    Image.new(mode, (8, 8)).save(photos / "train" / "red" / "5.png")
    with pytest.raises(ValueError, match=rf"5\.png has channels {mode}: save it as grey or RGB"):
        load_dataset("images", photos)


def test_damaged_small_and_unequal_pictures_are_named(photos: Path) -> None:
    path = photos / "train" / "red" / "5.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(ValueError, match=r"5\.png is no intact picture"):
        load_dataset("images", photos)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"5\.png is no intact picture"):
        load_dataset("images", photos)
    Image.new("RGB", (8, 6)).save(path)
    with pytest.raises(ValueError, match="pictures of several sizes"):
        load_dataset("images", photos)
    with pytest.raises(ValueError, match=r"5\.png is 8 x 6: smaller than 8 x 8"):
        load_dataset("images", photos, size=8)
