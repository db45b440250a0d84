"""One step on a device, 64 rows: our own time, and all of it against a platform without delay.

    python -m benchmarks.device_step

A local server speaks the platform's REST API and executes jobs on Aer; the vendor's client is the
real one. `own` is the step's time less everything spent inside the runner (the vendor's client and
the server) and in waits between polls; the journal, both ledger commits and all checks are in it.
Wall-clock, median and 95th percentile.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.timing import significant, write_result
from policy import RingActor
from qhw.config import parse_config
from qhw.devices.backend import DeviceBackend
from qhw.jobs.clock import SystemClock
from qhw.jobs.ibm.runner import IbmRunner
from qhw.jobs.local.runner import LocalRunner
from qhw.runs.directory import create_run
from qhw.training.trainer import Trainer
from tests.ibm_cloud.cloud import Cloud
from tests.ibm_cloud.server import CloudServer

ROWS = 64
STEPS = 40
CALLS = ("submit", "find", "report", "collect", "calibration", "limits", "queue_length")


class Stopwatch:
    """Adds up the time inside watched calls, whichever thread they run in; nested ones once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = threading.local()

    def watch(self, owner: type, name: str) -> None:
        """Count the time of this method from now on."""
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            if getattr(self._inside, "now", False):
                return original(*arguments, **options)
            self._inside.now, started = True, time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                self._inside.now = False
                self.seconds += time.perf_counter() - started

        setattr(owner, name, timed)


def measure(device: str, runner: type, folder: Path) -> dict[str, float]:
    watch = Stopwatch()
    for name in CALLS:
        watch.watch(runner, name)
    watch.watch(SystemClock, "sleep")
    settings = {
        "backend": {"name": device, "shots": 1024, "mitigation": "readout"},
        "hardware": {"max_jobs": 10 * STEPS},
        "ppo": {"environments": ROWS},
    }
    trainer = Trainer.of(create_run(folder / "runs", parse_config(settings), device))
    state = trainer.player.environment.reset(*trainer._next_episodes()).cpu()
    backend = trainer.player.paid_backend
    assert isinstance(backend, DeviceBackend)
    backend.prepare()
    whole, own = [], []
    for step in range(STEPS + 1):
        watch.seconds = 0.0
        started = time.perf_counter()
        one_step(trainer, state, step)
        passed = time.perf_counter() - started
        whole.append(passed)
        own.append(passed - watch.seconds)
    backend.close()
    return {**told("own, ms", own[1:]), **told("whole step, ms", whole[1:])}


def one_step(trainer: Trainer, state: Any, step: int) -> None:
    """What `Trainer.collect` does per step before the denoiser is asked."""
    assert isinstance(trainer.actor, RingActor)
    trainer._stand_at("rollout", step)
    trainer._act(state)


def told(name: str, seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        name: significant(1e3 * statistics.median(ordered)),
        f"{name} (95th percentile)": significant(1e3 * ordered[int(0.95 * len(ordered))]),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_DATA_HOME"] = str(folder / "data")
        with CloudServer(Cloud(plan="pay-as-you-go")) as server:
            os.environ |= server.environment(folder)
            result = {
                "rows": ROWS,
                "steps": STEPS,
                "fake_fez, local runner": measure("fake_fez", LocalRunner, folder),
                "ibm_fez, vendor's client and local server": measure("ibm_fez", IbmRunner, folder),
            }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
