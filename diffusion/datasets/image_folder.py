"""A folder of pictures, a sub-folder per class.

    DIR/train/CLASS/*  and  DIR/test/CLASS/*
    DIR/CLASS/*                              a sixth of every class is set apart to measure on

PNG, JPEG and WebP, all grey or all in colour; WebP is always in colour. Pictures that are not
square of the wanted size are cut to a square in the middle and averaged down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from diffusion.datasets.splits import Dataset, Split

LAYOUT = "DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/*"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FEWEST = {"train": 20, "test": 4}
"""Pictures of a class; a model that is worth steering takes thousands."""
TEST_SHARE = 6
"""Where there is no test/, one in so many pictures is set apart."""
GREY, COLOUR = ("1", "L"), ("RGB", "P")
"""Modes of PIL that are read."""

Paths = Mapping[str, Sequence[Path]]
"""Pictures by their class."""


def load_images(folder: Path, size: int | None = None, seed: int = 0) -> Dataset:
    """Read a folder of pictures.

    Args:
        folder: Laid out as above.
        size: Side of the pictures wanted; without one they must be square and alike.
        seed: Of the choice of pictures to measure on, where the folder does not make it.

    Raises:
        FileNotFoundError: If there are no such folders.
        ValueError: If pictures are too few, too small, damaged, or not alike.
    """
    splits = _splits(folder, seed)
    names = tuple(splits["train"])
    for part, classes in splits.items():
        _require_enough(folder, part, classes)
    mode = _common_mode(
        [path for part in splits.values() for paths in part.values() for path in paths]
    )
    train, test = (_mixed(_read(splits[part], mode, size), seed) for part in ("train", "test"))
    return Dataset(folder.name, names, train, test, {"pictures": _checksum(folder, splits)})


def _splits(folder: Path, seed: int) -> dict[str, Paths]:
    """The paths of both splits, by class."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder: lay pictures out as {LAYOUT}")
    parts = [part for part in ("train", "test") if (folder / part).is_dir()]
    if len(parts) == 1:
        other = "test" if parts == ["train"] else "train"
        raise FileNotFoundError(
            f"{folder} has {parts[0]}/ and no {other}/: lay pictures out as {LAYOUT}"
        )
    if not parts:
        return _set_apart(_by_class(folder), seed)
    splits = {part: _by_class(folder / part) for part in parts}
    lacking = sorted(set(splits["train"]) ^ set(splits["test"]))
    if lacking:
        where = "test" if lacking[0] in splits["train"] else "train"
        raise ValueError(
            f"{folder / where} has no folder {lacking[0]!r}, which the other split has"
        )
    return splits


def _by_class(folder: Path) -> Paths:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    names = [name for name in names if not name.startswith(".")]
    if len(names) < 2:
        held = f"one class, {names[0]!r}" if names else "no folder of a class"
        raise ValueError(f"{folder} holds {held}: lay two or more out as {LAYOUT}")
    return {
        name: [
            path for path in sorted((folder / name).iterdir()) if path.suffix.lower() in SUFFIXES
        ]
        for name in names
    }


def _set_apart(classes: Paths, seed: int) -> dict[str, Paths]:
    """A sixth of every class to measure on, drawn with a seed."""
    train, test = {}, {}
    for place, (name, paths) in enumerate(classes.items()):
        order = np.random.default_rng([seed, place]).permutation(len(paths))
        cut = len(paths) // TEST_SHARE
        test[name] = [paths[index] for index in sorted(order[:cut])]
        train[name] = [paths[index] for index in sorted(order[cut:])]
    return {"train": train, "test": test}


def _require_enough(folder: Path, part: str, classes: Paths) -> None:
    for name, paths in classes.items():
        if len(paths) < FEWEST[part]:
            raise ValueError(
                f"{folder} holds {len(paths)} pictures ({', '.join(SUFFIXES)}) of {name!r} for "
                f"{part}: at least {FEWEST[part]} are needed, and thousands make a good model"
            )


def _common_mode(paths: Sequence[Path]) -> str:
    """`L` or `RGB`, for pictures that are all alike."""
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(_mode(path), path)
    if len(first) > 1:
        raise ValueError(
            f"{first['L']} is grey and {first['RGB']} is in colour: make them all alike"
        )
    return next(iter(first))


def _mode(path: Path) -> str:
    with _opened(path) as picture:
        mode = picture.mode
    if mode not in GREY + COLOUR:
        raise ValueError(
            f"{path} has channels {mode}: save it as grey or RGB, without transparency"
        )
    return "L" if mode in GREY else "RGB"


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is no intact picture: {error}") from error


def _read(classes: Paths, mode: str, size: int | None) -> Split:
    images, labels = [], []
    for label, paths in enumerate(classes.values()):
        for path in paths:
            images.append(_pixels(path, mode, size))
            labels.append(label)
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise ValueError(f"pictures of several sizes, {sorted(shapes)}: say which is wanted")
    return Split(torch.stack(images), torch.tensor(labels))


def _mixed(split: Split, seed: int) -> Split:
    """In a drawn order: of many, the first or the last are taken, and may not be of one class."""
    order = np.random.default_rng([seed, len(split.labels)]).permutation(len(split.labels))
    return split.pick(torch.from_numpy(order))


def _pixels(path: Path, mode: str, size: int | None) -> torch.Tensor:
    """A picture's pixels (c, h, w), uint8."""
    with _opened(path) as picture:
        try:
            pixels = picture.convert(mode)
        except (OSError, SyntaxError) as error:
            raise ValueError(f"{path} is no intact picture: {error}") from error
    if size is not None and pixels.size != (size, size):
        if min(pixels.size) < size:
            raise ValueError(
                f"{path} is {pixels.width} x {pixels.height}: smaller than {size} x {size}"
            )
        pixels = ImageOps.fit(pixels, (size, size), Image.Resampling.BOX)
    array = np.array(pixels, dtype=np.uint8).reshape(pixels.height, pixels.width, -1)
    return torch.from_numpy(array).permute(2, 0, 1)


def _checksum(folder: Path, splits: Mapping[str, Paths]) -> str:
    """SHA-256 over names and contents of all pictures."""
    digest = hashlib.sha256()
    for part, classes in splits.items():
        for paths in classes.values():
            for path in paths:
                digest.update(f"{part}/{path.relative_to(folder)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
