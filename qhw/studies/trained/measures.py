"""What studies compare of two controllers on the same latents, and how a difference is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qhw.evaluation.judges import FloatArray, Outcome


@dataclass(frozen=True)
class Measure:
    """One number of every latent.

    Attributes:
        title: In tables.
        of: An outcome to its values (N,).
        more: What an arm with more of it does.
        less: What one with less does.
    """

    title: str
    of: Callable[[Outcome], FloatArray]
    more: str
    less: str


MEASURES = {
    "return": Measure("return", lambda outcome: outcome.returns, "returns more", "returns less"),
    "judged": Measure(
        "judges' accuracy",
        lambda outcome: outcome.judged,
        "is named right more often by the judges",
        "is named right less often by the judges",
    ),
    "gap": Measure(
        "proxy's accuracy beyond the judges'",
        lambda outcome: outcome.proxy_gap,
        "pleases the proxy more than the judges",
        "pleases the proxy less than the judges",
    ),
}
