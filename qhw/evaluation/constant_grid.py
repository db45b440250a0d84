"""Which constants everything is compared with, and which ones tell how exact that is.

Neighbours lie a fourth of guidance apart where a constant's distance and log p bend the most.
"""

from __future__ import annotations

GRID = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 4.0, 5.0, 6.0, 8.0)
PLACEBOS = (1.375, 2.125)
"""Half-way between constants of the grid, in its most bent cell and where most policies play."""


def constants_within(guidance_range: tuple[float, float]) -> tuple[float, ...]:
    """The grid inside a range, with the range's ends where the grid goes beyond; two at least."""
    low, high = guidance_range
    clipped = {min(max(guidance, low), high) for guidance in GRID}
    return tuple(sorted(clipped if len(clipped) > 1 else clipped | {low, high}))


def placebos_within(guidance_range: tuple[float, float]) -> tuple[float, ...]:
    """The placebos between constants of the range; if there are none, one in its first cell."""
    constants = constants_within(guidance_range)
    inside = [guidance for guidance in PLACEBOS if constants[0] < guidance < constants[-1]]
    return tuple(inside) or ((constants[0] + constants[1]) / 2,)
