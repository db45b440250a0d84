"""What a sweep came to, setting by setting: means over seeds with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from scipy import stats

from qhw.commands.runs import ListedRun
from qhw.config.setting import short_name
from qhw.console.tables import listing
from qhw.runs.differences import settings_that_differ
from qhw.runs.sweep import SEED

HOW_TO_READ = (
    "Gain: return minus the best constant's, mean over seeds; the interval is 95 %, Student's t "
    "over seeds alone, none for one seed."
)


def summary(runs: Sequence[ListedRun]) -> list[dict[str, Any]]:
    """For every combination of settings, the gain over its seeds; the largest first.

    Args:
        runs: Those of the sweep; what is not evaluated is left out.

    Returns:
        `settings`, `seeds`, `gain`, and `low`, `high`, which are None for one seed.
    """
    evaluated = [run for run in runs if run.config is not None and run.gain is not None]
    configs = [run.config for run in evaluated if run.config is not None]
    gains: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for run, differing in zip(evaluated, settings_that_differ(configs), strict=True):
        key = tuple((name, value) for name, value in differing.items() if name != SEED)
        assert run.gain is not None
        gains.setdefault(key, []).append(run.gain["estimate"])
    rows = [_row(dict(key), np.array(values)) for key, values in gains.items()]
    return sorted(rows, key=lambda row: row["gain"], reverse=True)


def _row(settings: dict[str, str], gains: np.ndarray[Any, Any]) -> dict[str, Any]:
    count, mean = len(gains), float(gains.mean())
    half = None
    if count > 1:
        half = float(stats.t.isf(0.025, count - 1) * gains.std(ddof=1) / np.sqrt(count))
    return {
        "settings": settings,
        "seeds": count,
        "gain": mean,
        "low": None if half is None else mean - half,
        "high": None if half is None else mean + half,
    }


def print_summary(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print them as a table; nothing where there are none."""
    if not rows:
        return
    table = listing("settings", "seeds", "gain over best constant")
    for row in rows:
        settings = "\n".join(f"{short_name(k)}={v}" for k, v in row["settings"].items())
        interval = "" if row["low"] is None else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
        table.add_row(
            escape(settings or "the same"),
            str(row["seeds"]),
            escape(f"{row['gain']:+.3f}{interval}"),
        )
    console.print(table)
    console.print(HOW_TO_READ)
