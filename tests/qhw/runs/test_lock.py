from __future__ import annotations

from pathlib import Path

import pytest

from qhw.errors import BusyError
from qhw.runs.lock import sole_use


def test_a_second_user_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with sole_use(folder):
        with pytest.raises(BusyError, match=str(folder)), sole_use(folder):
            pass
        with sole_use(tmp_path / "other"):
            pass
    with sole_use(folder):
        pass


def test_a_failure_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), sole_use(tmp_path):
        raise KeyError
    with sole_use(tmp_path):
        pass
