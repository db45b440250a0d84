"""The search finds the top of a hill within its bounds, never below its start, and repeats."""

from __future__ import annotations

import pytest

from diffusion import refinement
from diffusion.refinement import Point, refine


def hill(point: Point) -> float:
    """Highest at 1.37, and at (1.37, -.4) where there is a second number."""
    first, *others = point
    return -((first - 1.37) ** 2) - sum((other + 0.4) ** 2 for other in others)


def test_one_number_is_found_between_its_neighbours() -> None:
    assert refine(hill, (1.5,), (0.5,), [(0.0, 8.0)])[0] == pytest.approx(1.37, abs=0.02)


@pytest.mark.parametrize("start", [0.2, 3.0])
def test_one_number_is_found_beyond_its_neighbours(start: float) -> None:
    assert refine(hill, (start,), (0.5,), [(0.0, 8.0)])[0] == pytest.approx(1.37, abs=0.02)


def test_the_edge_of_the_bounds_is_an_answer() -> None:
    assert refine(hill, (2.0,), (0.5,), [(1.8, 8.0)])[0] == pytest.approx(1.8, abs=0.02)


def test_two_numbers_are_found_outside_the_first_simplex() -> None:
    low, slope = refine(hill, (2.0, 0.5), (0.3, 0.5), [(-5.0, 5.0), (-5.0, 5.0)])
    assert low == pytest.approx(1.37, abs=0.1)
    assert slope == pytest.approx(-0.4, abs=0.1)


@pytest.mark.parametrize("start", [(1.0,), (1.37, -0.4), (3.0, 2.0)])
def test_it_never_ends_below_its_start_and_always_at_the_same_place(start: Point) -> None:
    bounds = [(1.0, 3.0), (-1.0, 2.0)][: len(start)]
    ends = [refine(hill, start, (0.5, 0.5)[: len(start)], bounds) for _ in range(2)]
    assert ends[0] == ends[1]
    assert hill(ends[0]) >= hill(start)
    for value, (low, high) in zip(ends[0], bounds, strict=True):
        assert low <= value <= high


@pytest.mark.parametrize("size", [1, 2])
def test_few_points_are_scored_and_none_twice(size: int) -> None:
    scored: list[Point] = []

    def score(point: Point) -> float:
        scored.append(point)
        return hill(point)

    refine(score, (2.0,) * size, (0.5,) * size, [(0.0, 4.0)] * size)
    most = 2 * refinement.EVALUATIONS_OF_ONE if size == 1 else refinement.EVALUATIONS_OF_MORE
    assert len(scored) == len(set(scored)) <= most + 1
