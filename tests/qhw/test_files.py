from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.errors import DamagedFileError, OutputError
from qhw.files import (
    Cache,
    UserData,
    make_folder,
    make_private,
    read_json,
    read_record,
    replace_file,
    whole_folder,
    write_json,
    writing,
)


def test_what_is_kept_is_counted_and_cleared(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    nothing = dict.fromkeys(("circuits", "folded", "verdicts", "baselines", "real pictures"), 0)
    assert cache.clear() == nothing
    open_backend("aer_noisy", RingCircuit(3, 1), device="fake_lima", cache=cache)
    counts = nothing | {"circuits": 1, "verdicts": 1}
    assert cache.count() == counts
    assert cache.clear() == counts
    assert cache.count() == nothing


def test_the_users_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.of_user().root == tmp_path / "qhw"


def test_the_users_data_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    kept = UserData.of_user()
    parts = [kept.ledger, kept.local_jobs, kept.affine_maps, kept.snapshots, kept.measurements]
    names = ["ledger.sqlite", "local_jobs", "affine", "snapshots", "measurements"]
    assert parts == [tmp_path / "qhw" / name for name in names]


def test_a_private_folder_is_its_users_alone_and_so_is_what_was_missing_above(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, *tmp_path.glob("**/[ab]"))]
    assert modes == [0o755, 0o700, 0o700]
    make_private(tmp_path / "a" / "b")


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "facts.json"
    write_json(path, {"a": 1})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"facts\.json cannot be written: No space") as caught:
        replace_file(path, b"half")
    assert "Free some space" in caught.value.hint
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_that_is_full_is_named() -> None:
    full = Path("/dev/full")
    told = pytest.raises(OutputError, match="/dev/full cannot be written: No space left")
    with told as caught, writing(full), full.open("wb", buffering=0) as file:
        file.write(b"anything")
    assert "Free some space" in caught.value.hint


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    for made in (occupied, occupied / "below"):
        for make in (make_folder, make_private):
            with pytest.raises(OutputError, match=r"file.* cannot be written") as caught:
                make(made)
            assert "none of its parts may be a file" in caught.value.hint
    with pytest.raises(OutputError, match="below cannot be written"):
        replace_file(occupied / "below", b"")


@dataclass(frozen=True)
class Facts:
    a: int


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    assert read_record(path, Facts) == Facts(1)


@pytest.mark.parametrize("damage", [b"", b'{"a": 1', b"\xff\xfe", b"[]", b"null", b'{"b": 1}'])
def test_what_cannot_be_read_back_is_told_with_what_to_do(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(damage)
    with pytest.raises(DamagedFileError, match=r"facts\.json cannot be read: .+") as caught:
        read_record(path, Facts)
    assert "Delete it" in caught.value.hint


def test_a_file_that_is_gone_or_a_folder_cannot_be_read_back(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="is not there"):
        read_json(tmp_path / "facts.json")
    with pytest.raises(DamagedFileError, match="Is a directory"):
        read_json(tmp_path)


def test_a_folder_appears_once_it_is_full(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    with whole_folder(folder, mode=0o700) as filling:
        (filling / "a").write_text("1")
        assert not folder.exists()
    assert (folder / "a").read_text() == "1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(ValueError, match="why"), whole_folder(folder) as filling:
        (filling / "b").write_text("2")
        raise ValueError("why")
    with whole_folder(folder) as filling:
        assert [path.name for path in folder.iterdir()] == ["a"], "the earlier one stays till then"
        (filling / "c").write_text("3")
    assert [path.name for path in folder.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [folder]
