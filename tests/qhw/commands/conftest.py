from __future__ import annotations

from tests.qhw.studies.conftest import own_data, tiny, trained_tiny

__all__ = ["own_data", "tiny", "trained_tiny"]
