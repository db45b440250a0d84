"""From the best of a coarse grid to the best there is: bounded searches with few evaluations.

A score is a mean return on fixed latents, so that it has no noise of its own: the same numbers give
the same score, and the search is deterministic. What it returns is never below where it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Point = tuple[float, ...]
Bounds = Sequence[tuple[float, float]]

DIGITS = 2
"""Decimals of what is found: a hundredth of guidance is far below what can be told apart."""
EVALUATIONS_OF_ONE, EVALUATIONS_OF_MORE = 8, 24
"""Largest numbers of evaluations, for one number in one bracket and for several."""
MOST_BRACKETS = 4


@dataclass
class _Scores:
    """What was scored so far, every point once, rounded to `DIGITS`."""

    score: Callable[[Point], float]
    known: dict[Point, float] = field(default_factory=dict)

    def loss(self, point: Iterable[float]) -> float:
        """Minus the score, for a minimiser."""
        rounded = tuple(round(float(value), DIGITS) for value in point)
        if rounded not in self.known:
            self.known[rounded] = self.score(rounded)
        return -self.known[rounded]

    def best(self) -> Point:
        """The point of the largest score; of equals, the first."""
        return max(self.known, key=lambda point: self.known[point])


def refine(score: Callable[[Point], float], start: Point, steps: Point, bounds: Bounds) -> Point:
    """Climb from a start: Brent's bounded search for one number, else Nelder and Mead's simplex.

    Args:
        score: What to make large.
        start: (K,) the best so far.
        steps: (K,) how far its neighbours lie; the search begins at that scale. One number is
            searched for between its neighbours, and between those of the best if that is one.
        bounds: K pairs, the smallest and largest value of each number.

    Returns:
        (K,) the best point that was scored, rounded to `DIGITS`.
    """
    scores = _Scores(score)
    scores.loss(start)
    if len(start) == 1:
        _climb_one(scores, start[0], steps[0], bounds[0])
        return scores.best()
    optimize.minimize(
        scores.loss,
        np.array(start),
        method="Nelder-Mead",
        bounds=bounds,
        options={
            "initial_simplex": _simplex(start, steps, bounds),
            "maxfev": EVALUATIONS_OF_MORE,
            "xatol": 10.0**-DIGITS,
            "fatol": 0.0,
        },
    )
    return scores.best()


def _climb_one(scores: _Scores, start: float, reach: float, bounds: tuple[float, float]) -> None:
    """Search between the neighbours; where the best is a neighbour, go on around it."""
    for _ in range(MOST_BRACKETS):
        between = (max(bounds[0], start - reach), min(bounds[1], start + reach))
        optimize.minimize_scalar(
            lambda value: scores.loss((value,)),
            bounds=between,
            method="bounded",
            options={"maxiter": EVALUATIONS_OF_ONE, "xatol": 10.0**-DIGITS},
        )
        (best,) = scores.best()
        inner = [edge for edge in between if edge not in bounds]
        if all(abs(best - edge) > reach / 10 for edge in inner):
            return
        start = best


def _simplex(start: Point, steps: Point, bounds: Bounds) -> NDArray[np.float64]:
    """The start and one neighbour in every direction, inwards where outwards is out of bounds."""
    corners = [start]
    for axis, step in enumerate(steps):
        moved = start[axis] + step
        moved = moved if moved <= bounds[axis][1] else start[axis] - step
        corners.append((*start[:axis], moved, *start[axis + 1 :]))
    return np.array(corners)
