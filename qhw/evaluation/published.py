"""Published guidance without a controller, each with its numbers chosen by return.

Every method is searched on latents of its own, from numbers under which it is the best constant
where it has such numbers: so it cannot end below that constant there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from torch import Tensor

from diffusion import schedules
from diffusion.cfg_plus_plus import CfgPlusPlusSampler
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, play_schedule
from diffusion.feedback_guidance import FeedbackGuidance
from diffusion.headroom import CONSTANT_GRID
from diffusion.refinement import Point
from qhw.evaluation.choices import Search

LATENTS = 200
"""Largest number that a method is chosen on; the constant and the rule are chosen on more."""
HIGHEST = CONSTANT_GRID[-1]
NO_LIMIT = 1000.0
"""CFG++ is not clipped: its scales follow from lambda, which has its own range."""


@dataclass(frozen=True)
class Published:
    """A published method, ready to be chosen and played.

    Attributes:
        search: How its numbers are chosen, and what plays them.
        named: Given the numbers, the name of its row.
    """

    search: Search
    named: Callable[[Point], str]


def published(environment: GuidanceEnvironment, constant: float) -> list[Published]:
    """Every method that the full comparison holds.

    Args:
        environment: It is `widened`.
        constant: The best constant, from which searches begin.
    """
    return [
        _interval(environment, constant),
        _ramp(environment, constant),
        _exponential(environment, constant),
        _cfg_plus_plus(environment),
        _feedback(environment),
    ]


def _interval(environment: GuidanceEnvironment, constant: float) -> Published:
    def schedule(point: Point) -> Tensor:
        guidance, start, stop = point
        return schedules.interval(environment.num_steps, guidance, start, max(start, stop))

    heights = (constant, constant + 0.75, constant + 1.5)
    coarse = [(constant, 0.0, 1.0), *product(heights, (0.1, 0.3), (0.7, 0.9))]
    bounds = ((1.0, HIGHEST), (0.0, 1.0), (0.0, 1.0))
    play = _scheduled(environment, schedule)
    search = Search("interval", play, coarse, (0.5, 0.1, 0.1), bounds, LATENTS)
    return Published(search, lambda point: f"best interval, {point[0]:g}")


def _ramp(environment: GuidanceEnvironment, constant: float) -> Published:
    def schedule(point: Point) -> Tensor:
        return schedules.linear(environment.num_steps, *point)

    coarse = [(max(1.0, constant + offset),) for offset in (-0.5, 0.0, 0.5)]
    play = _scheduled(environment, schedule)
    search = Search("rising ramp", play, coarse, (0.5,), ((1.0, HIGHEST),), LATENTS)
    return Published(search, lambda point: f"best rising ramp, {point[0]:g}")


def _exponential(environment: GuidanceEnvironment, constant: float) -> Published:
    def schedule(point: Point) -> Tensor:
        return schedules.exponential(environment.num_steps, *point)

    coarse = [(constant, 0.0), *product((constant + 0.5, constant + 1.5), (0.3, 0.8))]
    bounds = ((1.0, 2 * HIGHEST), (-2.0, 5.0))
    play = _scheduled(environment, schedule)
    search = Search("exponential", play, coarse, (0.25, 0.2), bounds, LATENTS)
    return Published(search, lambda point: "best exponential")


def _cfg_plus_plus(environment: GuidanceEnvironment) -> Published:
    sampler = CfgPlusPlusSampler.like(environment.sampler)
    unlimited = replace(
        environment, sampler=sampler, guidance_range=(0.0, NO_LIMIT), action_limit=NO_LIMIT
    )
    coarse = [(strength,) for strength in (0.2, 0.4, 0.6, 0.8, 1.0)]
    play = _scheduled(unlimited, lambda point: sampler.schedule(*point))
    search = Search("CFG++", play, coarse, (0.2,), ((0.0, 1.0),), LATENTS)
    return Published(search, lambda point: f"CFG++, lambda {point[0]:g}")


def _feedback(environment: GuidanceEnvironment) -> Published:
    most = environment.guidance_range[1]

    def play(point: Point) -> Callable[..., Episode]:
        purity, start, focus = point
        return partial(FeedbackGuidance(purity, start, focus, most).play, environment)

    coarse = list(product((0.8, 0.95), (0.25, 0.75), (0.25, 0.5, 0.75)))
    bounds = ((0.35, 0.999), (0.0, 0.95), (0.0, 1.0))
    search = Search("FBG", play, coarse, (0.04, 0.15, 0.15), bounds, LATENTS)
    return Published(search, lambda point: "FBG")


def _scheduled(
    environment: GuidanceEnvironment, schedule: Callable[[Point], Tensor]
) -> Callable[[Point], Callable[..., Episode]]:
    return lambda point: partial(play_schedule, environment, guidance=schedule(point))
