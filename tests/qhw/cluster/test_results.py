from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from qhw.cluster.packing import packed, unpack
from qhw.cluster.results import Results
from qhw.errors import ConfigError, DamagedFileError, InstallationError, OutputError


@pytest.mark.parametrize("place", ["{0}", "file://{0}", "local://{0}"])
def test_a_result_is_whole_or_not_there(place: str, tmp_path: Path) -> None:
    results = Results(place.format(tmp_path / "results"))
    assert not results.holds("a")
    results.fail("a", "it broke", "here\nthere")
    assert not results.holds("a")
    recorded = json.loads((tmp_path / "results" / "a.failed.json").read_text())
    assert recorded == {"error": "it broke", "trace": ["here", "there"]}
    results.keep("a", b"content")
    assert results.holds("a")
    results.keep("a", b"again")
    assert pickle.loads(pickle.dumps(results)).read("a") == b"again"
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["a.tar.gz"]


def test_any_place_of_fsspec_takes_results() -> None:
    results = Results("memory://study")
    results.fail("a", "it broke")
    results.keep("a", b"content")
    assert (results.holds("a"), results.read("a")) == (True, b"content")
    system, root = results._place
    assert system.ls(root, detail=False) == [f"{root}/a.tar.gz"]
    assert not Results("memory://other").holds("a")


def test_what_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--results nonsense://x: .*nonsense"):
        Results("nonsense://x")
    with pytest.raises(InstallationError, match=r"--results (abfs|gdrive|dropbox)://x: .*nstall"):
        Results("dropbox://x")
    with pytest.raises(OutputError, match="cannot be reached"):
        Results(str(tmp_path)).read("a")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Results(str(tmp_path / "file")).keep("a", b"")


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "inner").mkdir(parents=True)
    (there / "inner" / "b").write_bytes(b"\0\1")
    (there / "a").write_text("a")
    here = tmp_path / "runs" / "here"
    here.mkdir(parents=True)
    (here / "old").touch()
    unpack(packed(there), here, "there")
    found = {str(p.relative_to(here)): p.read_bytes() for p in here.rglob("*") if p.is_file()}
    assert found == {"a": b"a", "inner/b": b"\0\1"}


def test_a_damaged_or_hostile_archive_leaves_what_was_there(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    for folder in (there, here):
        folder.mkdir()
    (there / "a").write_bytes(bytes(range(256)) * 100)
    (here / "old").touch()
    content = packed(there)
    (there / "link").symlink_to("/etc/passwd")
    flipped = [
        content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        for place in range(len(content) // 2, len(content), 7)
    ]
    for wrong in (content[: len(content) // 2], b"no archive", packed(there), *flipped):
        with pytest.raises(DamagedFileError, match="s3://b/a cannot be read"):
            unpack(wrong, here, "s3://b/a")
    assert [path.name for path in here.iterdir()] == ["old"]


def test_other_machines_are_told_the_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for typed in ("results", "file://results", f"{tmp_path}/results"):
        there = Results.seen_by_all(typed)
        assert there.url == str(tmp_path / "results")
        assert there.where("a") == f"{tmp_path}/results/a.tar.gz"
    with pytest.raises(ConfigError, match="memory://x: no other process"):
        Results.seen_by_all("memory://x")


def test_a_place_that_cannot_be_asked_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(str(tmp_path))
    system, _ = results._place

    def refused(path: str) -> dict[str, str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(system, "info", refused)
    with pytest.raises(OutputError, match=r"cannot be reached: .*Permission denied"):
        results.holds("a")
