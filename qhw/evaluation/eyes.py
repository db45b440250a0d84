"""Who looks at pictures: the proxy that gave the reward, two judges, and a stranger.

This file imports nothing, so that what reads results alone stays light.
"""

from __future__ import annotations

from typing import NamedTuple


class Eye(NamedTuple):
    """One network that looks at pictures.

    Attributes:
        title: In tables.
        described: With what it is, in headings.
    """

    title: str
    described: str


EYES = {
    "proxy": Eye("proxy", "the proxy, which gave the reward"),
    "judge_0": Eye("judge 1", "judge 1, never rewarded"),
    "judge_1": Eye("judge 2", "judge 2, never rewarded"),
}
"""The bundle's classifiers by the names they have in files, in the order of `Judges`."""
PROXY = "proxy"
"""The one that gave the reward."""
HELD_OUT = ("judge_0", "judge_1")
"""The two judges; they report, and neither trained, stopped or chose anything."""
DIVERSITY_EYE = "judge_0"
"""The eye whose features tell how far apart pictures of one class are."""
STRANGER = "imagenet"
"""The eye that never saw such pictures, so that it cannot have been trained to like them. It names
no classes: its accuracy and log p are the means of the two judges'."""
ALL_EYES = {**EYES, STRANGER: Eye("AlexNet", "AlexNet, which saw ImageNet alone")}
"""All that take distances, in the order of tables."""
