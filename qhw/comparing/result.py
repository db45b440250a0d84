"""What came of a comparison of two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qhw.comparing.policies import EqualAccuracy, Metric
from qhw.comparing.settings import Difference


@dataclass(frozen=True)
class Comparison:
    """What `compare.json` holds and the tables show.

    Attributes:
        latents: That both policies played.
        settings: Those that differ.
        metrics: Of both, and their paired differences.
        equal_accuracy: Both beside constant guidance, one row for each eye.
        alike: How alike the pictures of the same latent are: name to estimate, low and high.
        returns_compared: Whether both were rewarded alike, so that returns can be compared.
    """

    latents: int
    settings: list[Difference]
    metrics: list[Metric]
    equal_accuracy: list[EqualAccuracy]
    alike: dict[str, Any]
    returns_compared: bool
