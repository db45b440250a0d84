"""Where the arms of a comparison come from.

This file imports nothing, so that what reads results alone stays light.
"""

from __future__ import annotations

from collections.abc import Iterable

CITED = {
    "rule": "the rule's prior art: GFCG, arXiv 2411.15393",
    "greedy feedback": "online feedback, arXiv 2509.16131",
    "best interval": "limited interval, arXiv 2404.07724",
    "best rising ramp": "monotone schedules, arXiv 2404.13040",
    "best exponential": "C2FG, arXiv 2603.08155",
    "CFG++": "arXiv 2406.08070",
    "FBG": "feedback guidance, arXiv 2506.06085",
}
"""Source by how the name of an arm begins."""


def citations(names: Iterable[str]) -> str:
    """A sentence with the sources of the arms that were played."""
    played = list(names)
    cited = [
        f"{start}: {source}"
        for start, source in CITED.items()
        if any(name.startswith(start) for name in played)
    ]
    return f"Sources. {'; '.join(cited)}." if cited else ""
