"""Time peers side by side: in one process, taking turns, so that noise falls on all alike."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusion.comparison import Interval

Work = Callable[[], object]


def interleaved(peers: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each peer, after one round that warms up."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for round_number in range(rounds + 1):
        for name, work in peers.items():
            started = time.process_time()
            work()
            if round_number:
                times[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def write_result(script: str, result: dict[str, Any]) -> None:
    """Keep the last result beside its script, and print it."""
    text = json.dumps(result, indent=2)
    Path(script).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


def significant(value: float, digits: int = 3) -> float:
    """Round to significant digits, so that results say no more than they know."""
    return float(f"{value:.{digits}g}")


def significant_interval(interval: Interval) -> list[float]:
    """Estimate, low and high, rounded alike."""
    return [significant(value) for value in (interval.estimate, interval.low, interval.high)]
