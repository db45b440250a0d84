from __future__ import annotations

from tests.qhw.studies.conftest import few_latents, own_data, tiny, trained_tiny

__all__ = ["few_latents", "own_data", "tiny", "trained_tiny"]
