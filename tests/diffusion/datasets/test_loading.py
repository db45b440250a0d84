from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from diffusion.datasets import Dataset, Split, load_dataset, shrink


def write_idx(path: Path, array: NDArray[np.uint8], magic: int) -> None:
    header = struct.pack(f">{1 + array.ndim}i", magic, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 6), ("t10k", 3)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images, 2051)
        write_idx(
            tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8), 2049
        )
    return tmp_path


def test_idx_files_are_read_and_their_checksums_kept(fashion: Path) -> None:
    data = load_dataset("fashion-mnist", fashion)
    assert data.train.images.shape == (6, 1, 28, 28)
    assert data.test.labels.tolist() == [0, 1, 2]
    path = fashion / "t10k-images-idx3-ubyte.gz"
    assert data.checksums[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_cut_short_is_refused(fashion: Path) -> None:
    path = fashion / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-5]))
    with pytest.raises(ValueError, match="cut short"):
        load_dataset("fashion-mnist", fashion)


def test_a_missing_folder_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="point --data"):
        load_dataset("fashion-mnist", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="'mnist': use one of"):
        load_dataset("mnist", tmp_path)
    with pytest.raises(FileNotFoundError, match="no intact CIFAR10"):
        load_dataset("cifar10", tmp_path)


def medmnist(path: Path, **changed: NDArray[np.uint8]) -> Path:
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_{name}": values
        for part, count in (("train", 6), ("val", 2), ("test", 3))
        for name, values in {
            "images": rng.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8),
            "labels": np.arange(count, dtype=np.uint8)[:, None] % 3,
        }.items()
    }
    np.savez(path, allow_pickle=False, **{**arrays, **changed})
    return path


def test_a_file_of_medmnist_is_read(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "pathmnist.npz")
    data = load_dataset("medmnist", path)
    assert (data.name, data.class_names) == ("pathmnist", ("class 0", "class 1", "class 2"))
    assert data.train.images.shape == (6, 3, 28, 28)
    assert data.test.labels.tolist() == [0, 1, 2]
    assert list(data.checksums) == ["pathmnist.npz"]
    with np.load(path) as arrays:
        assert data.train.images[4, 2, 5, 6] == int(arrays["train_images"][4, 5, 6, 2])
    grey = medmnist(tmp_path / "grey.npz", train_images=np.zeros((6, 28, 28), np.uint8))
    assert load_dataset("medmnist", grey).train.images.shape == (6, 1, 28, 28)


def test_what_is_no_file_of_medmnist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="point --data to a file of MedMNIST's"):
        load_dataset("medmnist", tmp_path)
    several = medmnist(tmp_path / "chest.npz", train_labels=np.zeros((6, 14), np.uint8))
    with pytest.raises(ValueError, match="several labels"):
        load_dataset("medmnist", several)
    np.savez(tmp_path / "other.npz", numbers=np.arange(3))
    (tmp_path / "text.npz").write_text("nothing")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(ValueError, match="is no file of MedMNIST's"):
            load_dataset("medmnist", tmp_path / name)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_a_folder_that_torchvision_cannot_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"no intact {name.upper()}.*--dataset images"):
        load_dataset(name, tmp_path)


def make(size: int) -> Dataset:
    images = torch.arange(size * size, dtype=torch.uint8).reshape(1, 1, size, size)
    split = Split(images, torch.tensor([0]))
    return Dataset("x", ("only",), split, split, {})


def test_shrinking_frames_and_averages() -> None:
    small = shrink(make(6), 4).train.images[0, 0]
    assert small.shape == (4, 4)
    # 6 x 6 is framed to 8 x 8; the block in the corner holds three zeros and pixel 0.
    assert small[0, 0] == 0
    assert small[1, 1] == round((7 + 8 + 13 + 14) / 4)
    assert torch.equal(shrink(make(4), 4).train.images, make(4).train.images)


def test_what_cannot_be_framed_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be framed"):
        shrink(make(5), 4)
    with pytest.raises(ValueError, match="4 x 4 cannot be framed to a multiple of 16"):
        shrink(make(4), 16)


def test_images_and_labels_must_fit() -> None:
    with pytest.raises(ValueError, match="differ"):
        Split(torch.zeros(3, 1, 2, 2), torch.zeros(2))
