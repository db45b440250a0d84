"""A run of three steps on the local platform, each step depending on the answer to the one before.

    python -m tests.ibm_cloud.steered OUT [POINT OCCURRENCE]

kills itself (SIGKILL) the given time it comes by the given point; without one it runs to its end
and writes the measured values of all steps to OUT.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.config import BackendConfig, HardwareConfig
from qhw.devices.backend import Position
from qhw.devices.opening import Requester, open_device
from qhw.files import Cache
from qhw.jobs.ibm.runner import IbmRunner
from qhw.jobs.ledger import Ledger
from qhw.jobs.work import WorkSettings

STEPS = 3
ROWS = 4
CIRCUIT = RingCircuit(3, 1)
POINTS: dict[str, tuple[type, str, bool]] = {
    "before the intent": (Ledger, "intend", False),
    "after the intent": (Ledger, "intend", True),
    "before the POST": (IbmRunner, "submit", False),
    "after the POST": (IbmRunner, "submit", True),
    "before the job's id": (Ledger, "submitted", False),
    "after the job's id": (Ledger, "submitted", True),
    "while it waits": (IbmRunner, "report", True),
    "before the result": (IbmRunner, "collect", False),
    "after the result": (IbmRunner, "collect", True),
    "after the calibration": (IbmRunner, "calibration", True),
    "before the result is kept": (Ledger, "done", False),
    "after the result is kept": (Ledger, "done", True),
}
"""Class, method, and whether to die after it (True) or before it (False)."""


def die_at(point: str, occurrence: int) -> None:
    """Arrange for this process to be killed there."""
    owner, name, after = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    left = [occurrence]

    def dying(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


def run(folder: Path, run_id: str) -> FloatArray:
    """Three steps; the values (STEPS, 1, ROWS, n)."""
    backend = open_device(
        BackendConfig(name="ibm_nairobi", shots=256, mitigation="none"),
        HardwareConfig(max_jobs=50),
        CIRCUIT,
        Requester(run_id=run_id, settings=WorkSettings(quarantine=0.3)),
        Cache(folder / "cache"),
    )
    rng = np.random.default_rng(5)
    angles = rng.uniform(-1, 1, (ROWS, CIRCUIT.num_angles))
    weights = rng.uniform(-3, 3, (1, CIRCUIT.num_weights))
    measured = []
    for step in range(STEPS):
        backend.stand_at(Position("images", 0, step), b"where the run stands")
        measured.append(backend.evaluate(angles, weights).values)
        angles = angles + measured[-1].mean()
    backend.close()
    return np.stack(measured)


def main() -> None:
    out = Path(sys.argv[1])
    if len(sys.argv) > 2:
        die_at(sys.argv[2], int(sys.argv[3]))
    np.save(out, run(out.parent, out.stem))


if __name__ == "__main__":
    main()
