from __future__ import annotations

import pytest

from qhw.budget.limits import Budget, Limits
from qhw.devices.bill import PhaseSpending, _explanation


@pytest.mark.parametrize(
    ("device", "unbilled", "told"),
    [
        ("ibm_fez", 0, "At $1.60 per QPU second."),
        ("ibm_fez", 1, "1 job has no bill yet"),
        ("ibm_fez", 2, "2 jobs have no bill yet"),
        ("fake_fez", 0, "fake_fez runs here and bills nothing"),
    ],
)
def test_what_the_dollars_mean_is_told(device: str, unbilled: int, told: str) -> None:
    total = PhaseSpending("total", 3, 6, 600, 6.0, 6.0, unbilled)
    assert told in _explanation(total, Budget(Limits()), device)
