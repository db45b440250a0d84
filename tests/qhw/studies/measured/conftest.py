from __future__ import annotations

from tests.qhw.studies.questions.conftest import rng, seeds

__all__ = ["rng", "seeds"]
