"""How long a quote for a full training takes, in process and as a command.

    python -m benchmarks.quote

The default training with a limit, so that the place where it stops is looked for, too; medians.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import Console

from benchmarks.timing import significant, write_result
from qhw.budget.planning import limits_of, plan_training
from qhw.commands.plan import print_quote
from qhw.config import merge, parse_config

ROUNDS = 11
LIMIT = 1e6
COMMAND = "from qhw.cli.plan import plan_app; plan_app()"
ARGUMENTS = ["train", "--backend", "ibm_fez", "--max-qpu-seconds", f"{LIMIT:g}"]
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "a thousand updates of 400 jobs": {
        "ppo": {"updates": 1000, "environments": 8, "epochs": 4, "minibatches": 50},
        "environment": {"steps": 50},
    },
}


def quote(values: dict[str, Any]) -> None:
    device = {"backend": {"name": "ibm_fez"}, "hardware": {"max_qpu_seconds": LIMIT}}
    config = parse_config(merge(values, device))
    print_quote(Console(file=io.StringIO(), width=80), plan_training(config), limits_of(config))


def command() -> None:
    subprocess.run(
        [sys.executable, "-c", COMMAND, *ARGUMENTS],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "80"},
    )


def median(work: Callable[[], object]) -> float:
    """Wall-clock seconds, after one round that warms up."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    inside = {
        f"in process, {name}, ms": significant(1000 * median(partial(quote, values)))
        for name, values in PRESETS.items()
    }
    write_result(__file__, {**inside, "whole command, default, s": significant(median(command), 2)})


if __name__ == "__main__":
    main()
