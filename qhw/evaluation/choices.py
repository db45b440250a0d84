"""Hand-set guidance, chosen for a setting on latents of its own, once, then recalled.

A bundle's card holds the best constant and confidence rule of its own reward, steps, solver and
guidance range. Under others both are chosen anew here: a coarse grid on a part of the latents, then
a bounded search on all of them. These latents are never the evaluation's.

What was chosen is looked for beside the bundle and in the user's cache folder, under a key that
holds everything it depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion.episodes import Episode
from diffusion.greedy import Greedy
from diffusion.headroom import CONSTANT_GRID, Candidate, play_candidate
from diffusion.refinement import Bounds, Point, refine
from qhw.errors import DamagedFileError
from qhw.evaluation.judges import evaluation_latents
from qhw.evaluation.setting import Setting, name_of
from qhw.files import make_folder, read_json, write_json

CHOOSING_SEED = 535_353
MOST_LATENTS = 400
"""The evaluation's number, if that is smaller: the choice then costs in proportion."""
COARSE_SHARE = 4
"""The coarse grid is played on a fourth of the latents."""
FEWEST_REFINED = 100
"""On fewer latents the grid's neighbours cannot be told apart: the best of it is taken as it is."""

RULE_OFFSETS, RULE_SLOPES = (-1.5, -0.75, 0.0), (1.5, 3.0, 6.0)
"""Coarse rules: lo from the best constant, and k."""
HIGHEST = CONSTANT_GRID[-1]
RULE_BOUNDS = ((-1.0, HIGHEST), (0.0, 13.0))
GREEDY_EXPONENTS = (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5)
"""Of the greedy price's weight, a power of ten."""

PlayPoint = Callable[[Point], Callable[..., Episode]]


@dataclass(frozen=True)
class Search:
    """How a few numbers are chosen.

    Attributes:
        name: In the key; another search needs another name.
        play: Given the numbers, what plays latents and labels under them.
        coarse: Points that are tried on a part of the latents.
        steps: How far the neighbours of the best of them lie.
        bounds: Smallest and largest value of each number.
        latents: As many as that, if the evaluation has no fewer.
    """

    name: str
    play: PlayPoint
    coarse: Sequence[Point]
    steps: Point
    bounds: Bounds
    latents: int = MOST_LATENTS


class Choices:
    """The best constant, rule and greedy price of one setting.

    Args:
        setting: Model and environment.
        latents: How many the evaluation has.
        folders: Looked through in this order; what is chosen is kept in the last one.
        tell: Is told what is chosen, where it is not recalled.
    """

    def __init__(
        self,
        setting: Setting,
        latents: int,
        folders: Sequence[Path],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._setting, self._folders, self._tell = setting, folders, tell
        self._environment = setting.environment.widened()
        self._latents = latents

    def constant(self) -> Candidate:
        """The constant of the largest mean return."""
        if self._setting.is_the_card_s:
            return Candidate(self._setting.bundle.card.chosen.constant)
        low, high = self._environment.guidance_range
        grid = sorted({low, *(g for g in CONSTANT_GRID if low <= g <= high), min(high, HIGHEST)})
        coarse, bounds = [(guidance,) for guidance in grid], (grid[0], grid[-1])
        name = "constant, from bracket to bracket"
        found = self.find(Search(name, self._by_rule, coarse, (0.5,), (bounds,)))
        return Candidate(*found)

    def rule(self) -> Candidate:
        """The rule g = lo + k (1 - p) of the largest mean return."""
        if self._setting.is_the_card_s:
            chosen = self._setting.bundle.card.chosen
            return Candidate(chosen.rule_low, chosen.rule_slope)
        best = self.constant().low
        coarse = [(best + offset, slope) for offset in RULE_OFFSETS for slope in RULE_SLOPES]
        found = self.find(
            Search("rule", self._by_rule, [(best, 0.0), *coarse], (0.25, 1.0), RULE_BOUNDS)
        )
        return Candidate(*found)

    def greedy(self) -> Greedy:
        """Greedy feedback over what the policy can reach, with the price that returns most."""
        coarse = [(exponent,) for exponent in GREEDY_EXPONENTS]
        bounds = ((GREEDY_EXPONENTS[0], 0.0),)
        scales = ",".join(f"{scale:g}" for scale in self._greedy(0.0).scales)
        search = Search(f"greedy over {scales}", self._by_greedy, coarse, (0.5,), bounds)
        return self._greedy(*self.find(search))

    def find(self, search: Search) -> Point:
        """The best numbers of a search, looked up or chosen now."""
        key = self._key(search)
        name = f"{name_of(key)}.json"
        for folder in self._folders:
            if (folder / name).exists():
                return _kept(folder / name)
        self._tell(f"choosing the numbers of {search.name}, once for this setting")
        found = self._search(search)
        make_folder(self._folders[-1])
        write_json(self._folders[-1] / name, {"key": key, "chosen": list(found)})
        return found

    def _key(self, search: Search) -> dict[str, Any]:
        environment, count = self._environment, min(self._latents, search.latents)
        key = {**self._setting.facts(), "search": search.name, "choosing": count}
        return {**key, "cfg_base": environment.cfg_base} if self._setting.has_a_centre else key

    def _search(self, search: Search) -> Point:
        def score(point: Point, count: int) -> float:
            own = evaluation_latents(self._setting.bundle, count, CHOOSING_SEED)
            return float(search.play(point)(own.latents, own.labels).returns.double().mean())

        count = min(self._latents, search.latents)
        refined = count >= FEWEST_REFINED
        few = count // COARSE_SHARE if refined else count
        start = max(search.coarse, key=lambda point: score(point, few))
        if not refined:
            return start
        return refine(lambda point: score(point, count), start, search.steps, search.bounds)

    def _by_rule(self, point: Point) -> Callable[..., Episode]:
        candidate = Candidate(*point)
        return lambda latents, labels: play_candidate(self._environment, candidate, latents, labels)

    def _by_greedy(self, point: Point) -> Callable[..., Episode]:
        greedy = self._greedy(*point)
        return lambda latents, labels: greedy.play(self._environment, latents, labels)

    def _greedy(self, exponent: float) -> Greedy:
        return Greedy.over_range(self._setting.environment, 10.0**exponent)


def _kept(path: Path) -> Point:
    """The numbers of a search that were kept.

    Raises:
        DamagedFileError: If they cannot be read.
    """
    try:
        return tuple(map(float, read_json(path)["chosen"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError.of(path, f"no numbers were chosen in it ({error!r})") from error
