from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhw.studies.trained import catalogue
from tests.hub_server import HubServer, hub_in
from tests.qhw.studies.conftest import own_data, tiny, trained_tiny
from tests.small_study import SMALL

__all__ = ["own_data", "tiny", "trained_tiny"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """With a cache of its own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with hub_in(tmp_path / "hub", monkeypatch) as server:
        yield server


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue knows the small study."""
    monkeypatch.setitem(catalogue.STUDIES, SMALL.name, SMALL)
