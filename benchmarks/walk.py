"""How many files and functions one walk through the code enters: a step, a gradient, a deployment.

    python -m benchmarks.walk

Only functions that are called count, of the four packages; what importing a module runs does not.
The run is tiny (3 qubits, 2 steps); its deployment and evaluation are on `fake_fez`, with caches
and ledger in a temporary folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType

from benchmarks.timing import write_result

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("calibration", "diffusion", "policy", "qhw")
TINY = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "fake_fez", "shots": 64},
    "gradient": {"rule": "spsa"},
    "environment": {"steps": 2},
    "ppo": {"updates": 1, "environments": 4, "epochs": 1, "minibatches": 1},
    "evaluation": {"latents": 20},
}


def walk(work: Callable[[], object]) -> dict[str, int]:
    """Files and functions entered while `work` runs."""
    entered: set[tuple[str, str]] = set()
    folders = tuple(f"{ROOT / package}{os.sep}" for package in PACKAGES)

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        named = code.co_flags & CO_OPTIMIZED and not code.co_name.startswith(("<", "__"))
        if event == "call" and named and code.co_filename.startswith(folders):
            entered.add((code.co_filename, code.co_qualname))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return {"files": len({file for file, _ in entered}), "functions": len(entered)}


def measure(folder: Path) -> dict[str, dict[str, int]]:
    """Every walk by its name."""
    from policy import RingActor
    from qhw import DeploymentRequest, evaluate, parse_config, run, train
    from qhw.training.trainer import Trainer

    simulated = {**TINY, "backend": {"name": "aer_noisy"}, "gradient": {"rule": "shift"}}
    trainer = Trainer(parse_config(simulated))
    actor = trainer.actor
    assert isinstance(actor, RingActor)
    rollout = trainer.collect()
    states = rollout.states[0]
    trained = train(parse_config(TINY), runs=folder, name="tiny")
    deployed = parse_config(TINY)
    return {
        "features of a state and their gradient": walk(
            lambda: actor.features(states).sum().backward()
        ),
        "a rollout": walk(trainer.collect),
        "an update": walk(trainer.advance),
        "an evaluation on fake_fez": walk(lambda: evaluate(trained, 20, full=True)),
        "a deployment on fake_fez": walk(
            lambda: run(trained.path, deployed, DeploymentRequest(images=2, fresh=True))
        ),
    }


def main() -> None:
    """Keep all figures."""
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"XDG_CACHE_HOME": f"{name}/cache", "XDG_DATA_HOME": f"{name}/data"}
        write_result(__file__, measure(Path(name)))


if __name__ == "__main__":
    main()
