"""A deployment is begun once, gone on with as it was, and never silently begun again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qhw.errors import ConfigError, DamagedFileError
from qhw.runs.deployment import DeploymentRecord

ASKED: dict[str, Any] = {"update": 3, "images": 4, "shots": None}


def opened(
    folder: Path, asked: dict[str, Any], *, resume: bool = False, fresh: bool = False
) -> DeploymentRecord:
    return DeploymentRecord.open(folder, asked, "qhw run it", resume=resume, fresh=fresh)


def test_what_is_written_is_taken_up_with_the_command_given_last(tmp_path: Path) -> None:
    folder = tmp_path / "fake_fez"
    first = opened(folder, ASKED)
    first.write(folder)
    again = DeploymentRecord.open(folder, ASKED, "qhw run more", resume=True, fresh=False)
    assert (again.id, again.settings, again.command) == (first.id, ASKED, "qhw run more")


def test_an_unfinished_one_is_not_paid_for_twice_unasked(tmp_path: Path) -> None:
    first = opened(tmp_path, ASKED)
    first.write(tmp_path)
    with pytest.raises(ConfigError, match="is not finished") as refused:
        opened(tmp_path, ASKED)
    assert "qhw run it" in refused.value.hint
    assert opened(tmp_path, ASKED, fresh=True).id != first.id


def test_resuming_before_anything_began_begins(tmp_path: Path) -> None:
    first = opened(tmp_path, ASKED, resume=True)
    first.write(tmp_path)
    assert opened(tmp_path, ASKED, resume=True) == first


def test_something_else_is_not_resumed(tmp_path: Path) -> None:
    opened(tmp_path, ASKED).write(tmp_path)
    with pytest.raises(ConfigError, match="images = 5 instead of 4") as refused:
        opened(tmp_path, {**ASKED, "images": 5}, resume=True)
    assert "`qhw run it`" in refused.value.hint
    with pytest.raises(ConfigError) as trained_further:
        opened(tmp_path, {**ASKED, "update": 4}, resume=True)
    assert "trained further" in trained_further.value.hint


@pytest.mark.parametrize("damage", ["", '{"id": "3f', "[]", '{"id": 1}'])
@pytest.mark.parametrize("how", [{}, {"resume": True}, {"fresh": True}])
def test_one_that_cannot_be_read_is_told(damage: str, how: dict[str, bool], tmp_path: Path) -> None:
    opened(tmp_path, ASKED).write(tmp_path)
    (tmp_path / "deployment.json").write_text(damage)
    with pytest.raises(DamagedFileError, match=r"deployment\.json cannot be read") as caught:
        opened(tmp_path, ASKED, **how)
    assert "pays again" in caught.value.hint
