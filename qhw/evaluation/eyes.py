"""Who looks at pictures: the proxy that gave the reward, and two judges that never did.

This file imports nothing, so that what reads results alone stays light.
"""

from __future__ import annotations

from typing import NamedTuple


class Eye(NamedTuple):
    """One classifier that looks at pictures.

    Attributes:
        title: In tables.
        described: With what it is, in headings.
    """

    title: str
    described: str


EYES = {
    "proxy": Eye("proxy", "the proxy, which gave the reward"),
    "judge_0": Eye("judge 1", "judge 1 (a plain CNN), never rewarded"),
    "judge_1": Eye("judge 2", "judge 2 (another ResNet), never rewarded"),
}
"""By the names they have in files, in the order of `Judges`."""
HELD_OUT = ("judge_0", "judge_1")
"""The two judges; they report, and neither trained, stopped or chose anything."""
DIVERSITY_EYE = "judge_0"
"""The eye whose features tell how far apart pictures of one class are."""
