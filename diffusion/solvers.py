"""Solvers of the probability-flow equation: which noise levels are visited, and one step between.

Both take one prediction per step, and both are deterministic. A level t has signal alpha and noise
sigma, with alpha^2 + sigma^2 = 1; lambda = log(alpha / sigma) is its log signal-to-noise ratio.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

Spacing = Literal["leading", "trailing"]


@dataclass(frozen=True)
class Ddim:
    """DDIM (Song et al., arXiv 2010.02502), first order.

    Attributes:
        spacing: `leading` begins pure noise below the noisiest level and asks for a prediction at
            t = 0; `trailing` begins at the noisiest level and ends above 0 (Lin et al., arXiv
            2305.08891).
    """

    spacing: Spacing = "leading"

    def __post_init__(self) -> None:
        if self.spacing not in get_args(Spacing):
            raise ValueError(f"spacing is {self.spacing!r}: use one of {get_args(Spacing)}")


@dataclass(frozen=True)
class DpmSolver:
    """DPM-Solver++ 2M (Lu et al., arXiv 2211.01095), second order over evenly spaced levels.

    Attributes:
        first: Noise level of the first step. Just below the noisiest: there, with hardly any
            signal left, the clean picture is a small difference of large numbers.
        last: Noise level of the last step, above 0: at 0 a prediction would change nothing.
    """

    first: int = 980
    last: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.last < self.first:
            raise ValueError(f"levels from {self.first} to {self.last}: need 0 <= last < first")

    def timesteps(self, num_steps: int) -> tuple[int, ...]:
        """The noise levels of an episode, falling from `first` to `last`.

        Raises:
            ValueError: If there are fewer levels than steps.
        """
        if num_steps > self.first - self.last + 1:
            raise ValueError(
                f"num_steps is {num_steps}: choose at most {self.first - self.last + 1} between "
                f"the levels {self.first} and {self.last}"
            )
        levels = np.linspace(self.first, self.last, num_steps).round()
        return tuple(int(level) for level in levels)


Solver = Ddim | DpmSolver
FIRST_SOLVER = Ddim()
"""What 0.1 sampled with."""
SOLVERS: dict[str, Solver] = {
    "ddim": FIRST_SOLVER,
    "ddim-trailing": Ddim("trailing"),
    "dpmsolver++": DpmSolver(),
}
"""Solvers by the names that settings use."""


def solver_record(solver: Solver) -> dict[str, Any]:
    """A solver as plain values; `read_solver` reads it."""
    method = "ddim" if isinstance(solver, Ddim) else "dpmsolver++"
    return {"method": method, **asdict(solver)}


def read_solver(record: dict[str, Any]) -> Solver:
    """The solver that `solver_record` described; nothing is 0.1.0's, DDIM with leading levels.

    Raises:
        ValueError: If there is no such method, or a value does not fit it.
        TypeError: If the method has no such setting.
    """
    values = {"method": "ddim", **record}
    method = values.pop("method")
    if method not in ("ddim", "dpmsolver++"):
        raise ValueError(f"solver method is {method!r}: use 'ddim' or 'dpmsolver++'")
    return Ddim(**values) if method == "ddim" else DpmSolver(**values)


@dataclass(frozen=True)
class Level:
    """Signal and noise amplitude of one noise level."""

    alpha: float
    sigma: float

    @property
    def log_snr(self) -> float:
        """log(alpha / sigma), half the log signal-to-noise ratio of powers."""
        return math.log(self.alpha / self.sigma)


def dpm_solver_step(latents: Tensor, clean: Tensor, at: Level, to: Level) -> Tensor:
    """One step of DPM-Solver++ (2211.01095, algorithm 2).

        x' = sigma'/sigma x - alpha' (e^-h - 1) D,  h = lambda' - lambda

    Args:
        latents: (N, C, H, W) at level `at`.
        clean: D (N, C, H, W), the predicted clean latents, or `second_order` of two of them.
        at: The present level.
        to: The next one.
    """
    step = to.log_snr - at.log_snr
    return to.sigma / at.sigma * latents - to.alpha * math.expm1(-step) * clean


def second_order(clean: Tensor, before: Tensor, levels: tuple[Level, Level, Level]) -> Tensor:
    """Carry on the clean latents (N, C, H, W) from the last two predictions to mid-step.

        D + h / (2 h_before) (D - D_before)

    Args:
        clean: D, predicted at the present level.
        before: D_before, predicted at the level before.
        levels: The level before, the present and the next one.
    """
    past, at, to = (level.log_snr for level in levels)
    return clean + (to - at) / (2 * (at - past)) * (clean - before)
