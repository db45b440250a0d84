from __future__ import annotations

from pathlib import Path

import pytest

from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.files import Cache


def test_what_is_kept_is_counted_and_cleared(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.clear() == {"circuits": 0, "folded": 0, "verdicts": 0, "baselines": 0}
    open_backend("aer_noisy", RingCircuit(3, 1), device="fake_lima", cache=cache)
    counts = {"circuits": 1, "folded": 0, "verdicts": 1, "baselines": 0}
    assert cache.count() == counts
    assert cache.clear() == counts
    assert cache.count() == {"circuits": 0, "folded": 0, "verdicts": 0, "baselines": 0}


def test_the_users_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.of_user().root == tmp_path / "qhw"
