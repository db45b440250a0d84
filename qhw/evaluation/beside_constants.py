"""What constants come to in one eye, and how exactly anything can be compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion.comparison import ConstantCurve, EqualLogP, resolution
from qhw.evaluation.baselines import Baseline, Baselines
from qhw.evaluation.eyes import ALL_EYES
from qhw.evaluation.judges import Outcome


@dataclass(frozen=True)
class BesideConstants:
    """The constants as one eye sees them.

    Attributes:
        eye: Its name.
        curve: Their log p and distance.
        resolution: What the placebos read: differences up to it are none.
    """

    eye: str
    curve: ConstantCurve
    resolution: float

    @classmethod
    def seen_by(
        cls,
        eye: str,
        constants: Sequence[Baseline],
        placebos: Sequence[Baseline],
        counts: NDArray[np.int64],
    ) -> BesideConstants:
        """Draw the constants' curve and read the placebos off it; counts (B, N) of resamples."""
        arms = {each.candidate.low: each.outcome.scores[eye].arm for each in constants}
        curve = ConstantCurve.through(arms, counts)
        read = [curve.beside(each.outcome.scores[eye].arm).difference for each in placebos]
        return cls(eye, curve, resolution(read))

    def compare(self, outcome: Outcome) -> EqualLogP:
        """An arm beside the constants of its own log p."""
        return self.curve.beside(outcome.scores[self.eye].arm)


def beside_constants(baselines: Baselines, counts: NDArray[np.int64]) -> dict[str, BesideConstants]:
    """The constants in every eye."""
    constants, placebos = baselines.constants(), baselines.placebos()
    return {eye: BesideConstants.seen_by(eye, constants, placebos, counts) for eye in ALL_EYES}
