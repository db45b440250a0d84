"""A deployment is begun once, gone on with as it was, and never silently begun again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qhw.errors import ConfigError
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


def test_nothing_and_something_else_are_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no deployment to resume"):
        opened(tmp_path, ASKED, resume=True)
    opened(tmp_path, ASKED).write(tmp_path)
    with pytest.raises(ConfigError, match="images = 5 instead of 4") as refused:
        opened(tmp_path, {**ASKED, "images": 5}, resume=True)
    assert "`qhw run it`" in refused.value.hint
    with pytest.raises(ConfigError) as trained_further:
        opened(tmp_path, {**ASKED, "update": 4}, resume=True)
    assert "trained further" in trained_further.value.hint
