from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import HubServer, hub_in
from tests.qhw.studies.conftest import own_data, tiny, trained_tiny

__all__ = ["own_data", "tiny", "trained_tiny"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """With a cache of its own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with hub_in(tmp_path / "hub", monkeypatch) as server:
        yield server
