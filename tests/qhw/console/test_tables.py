from __future__ import annotations

import pytest

from qhw.console.tables import folded


def test_a_command_in_backquotes_is_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    command = "`qhw run runs/small --backend fake_fez --resume`"
    told = folded(f"Everything so far is kept.\nGo on with it by {command}, or not.")
    assert told.splitlines() == [
        "Everything so far is",
        "kept.",
        "Go on with it by",
        f"{command},",
        "or not.",
    ]
