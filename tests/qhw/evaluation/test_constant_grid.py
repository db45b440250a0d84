from __future__ import annotations

import pytest

from qhw.evaluation.constant_grid import GRID, constants_within, placebos_within


@pytest.mark.parametrize("limits", [(1.0, 12.0), (0.0, 12.0), (1.5, 2.5), (3.0, 12.0), (9.0, 12.0)])
def test_constants_lie_in_the_range_and_placebos_between_them(limits: tuple[float, float]) -> None:
    low, high = limits
    constants, placebos = constants_within(limits), placebos_within(limits)
    assert len(constants) >= 2
    assert len(placebos) >= 1
    assert all(low <= guidance <= high for guidance in constants)
    assert not set(placebos) & set(constants)
    assert all(constants[0] < guidance < constants[-1] for guidance in placebos)


def test_a_range_s_end_is_a_constant_where_the_grid_goes_beyond() -> None:
    assert constants_within((0.9, 12.0))[:2] == (0.9, 1.0)
    assert constants_within((0.0, 12.0)) == GRID
    assert constants_within((1.0, 12.0)) == tuple(g for g in GRID if g >= 1)
