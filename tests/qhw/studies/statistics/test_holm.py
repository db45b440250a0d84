"""Many tests at once."""

from __future__ import annotations

import pytest

from qhw.studies.statistics.holm import holm


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.9]) == pytest.approx([1, 1])
    with pytest.raises(ValueError, match="0, 1"):
        holm([1.2])
