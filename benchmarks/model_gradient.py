"""What a gradient computed from a device's calibration is worth beside one that is measured.

    python -m benchmarks.model_gradient [--seeds N] [FOLDER]

Agreement: cosine of rule `model`'s gradient with the exact one of a device that errs in ways its
calibration does not publish, over 30 random batches of 8 transitions (inputs, weights and upstream
gradients at random; the default circuit, no mitigation): median, and the least. Beside it what
1,024 shots leave of a gradient that is measured on the published device.

Training: 40 updates of 40 episodes on fake_fez's noise with 1,024 shots and `affine`, N seeds (five
by default), by `shift` and by `model`, as published and with a ZZ rotation of .06 rad after each
two-qubit gate. Mean return of the same 2,000 latents, the difference paired by seed and latent;
resumable in FOLDER, about 90 CPU seconds a run. The QPU seconds are those of the quote. Writes
benchmarks/model_gradient.json.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.seeds import outcome_under
from benchmarks.timing import significant, write_result
from calibration import Assumptions
from policy import DifferentiableBackend, RingCircuit
from policy.agreement import measured_gradient
from policy.backend import FloatArray
from qhw.backends.opening import open_backend
from qhw.budget.planning import plan_training
from qhw.config import merge, parse_config
from qhw.runs.directory import RunDirectory
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.threads import one_thread

CIRCUIT = RingCircuit()
DEVICES = ("fake_brisbane", "fake_fez", "fake_marrakesh")
BATCHES, TRANSITIONS, SHOTS = 30, 8, 1024
UNPUBLISHED = {
    "as published": Assumptions(),
    "ZZ .025 rad": Assumptions(zz_angle=0.025),
    "ZZ .06 rad": Assumptions(zz_angle=0.06),
    "ZZ .12 rad": Assumptions(zz_angle=0.12),
    "ZZ .25 rad": Assumptions(zz_angle=0.25),
    "ZZ .5 rad": Assumptions(zz_angle=0.5),
    "over-rotation .06 rad": Assumptions(over_rotation=0.06),
    "over-rotation .12 rad": Assumptions(over_rotation=0.12),
    "over-rotation .25 rad": Assumptions(over_rotation=0.25),
}
TRAINED = {"as published": 0.0, "ZZ .06 rad": 0.06}
Batch = tuple[FloatArray, FloatArray, FloatArray]


def batches() -> list[Batch]:
    """Angles (B, A), weights (P,), upstream gradients (B, n)."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.uniform(-np.pi, np.pi, (TRANSITIONS, CIRCUIT.num_angles)),
            rng.uniform(-np.pi, np.pi, CIRCUIT.num_weights),
            rng.standard_normal((TRANSITIONS, CIRCUIT.num_qubits)),
        )
        for _ in range(BATCHES)
    ]


def opened(device: str, assumed: Assumptions, shots: int | None = None) -> Any:
    """The device's noise under these assumptions."""
    return open_backend(
        "aer_noisy",
        CIRCUIT,
        device=device,
        assumptions=assumed,
        shots=shots,
    )


def agreement(device: str) -> dict[str, Any]:
    """Cosines by what is not published, and by shots."""
    published = opened(device, Assumptions())
    modelled = [published.vjp(*batch) for batch in batches()]
    exact = {name: gradients(opened(device, each)) for name, each in UNPUBLISHED.items()}
    sampled = opened(device, Assumptions(), SHOTS)
    measured = [measured_gradient(sampled, *batch).weights for batch in batches()]
    rows = {name: told(modelled, found) for name, found in exact.items()}
    return {**rows, f"measured with {SHOTS} shots": told(measured, exact["as published"])}


def gradients(backend: DifferentiableBackend) -> list[FloatArray]:
    """Exact gradients of all batches."""
    return [backend.vjp(*batch) for batch in batches()]


def told(one: list[FloatArray], other: list[FloatArray]) -> dict[str, float]:
    """Median and least cosine."""
    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(one, other, strict=True)
    ]
    return {
        "median cosine": significant(float(np.median(cosines)), 4),
        "least": significant(min(cosines), 4),
    }


def settings(rule: str, zz_angle: float) -> dict[str, Any]:
    """Of a training on fake_fez's noise."""
    backend: dict[str, Any] = {
        "name": "aer_noisy",
        "device": "fake_fez",
        "shots": SHOTS,
        "mitigation": "affine",
    }
    if zz_angle:
        backend["zz_angle"] = zz_angle
    ppo = {"updates": 40, "environments": 40}
    return {"backend": backend, "gradient": {"rule": rule}, "ppo": ppo}


def training(folder: Path, seeds: range) -> dict[str, Any]:
    """Returns by rule and by what is not published, with what they would cost on the device."""
    rows: dict[str, Any] = {"seeds": len(seeds)}
    for name, zz_angle in TRAINED.items():
        returns = {}
        for rule in ("shift", "model"):
            outcomes = [
                outcome_under(folder, f"{rule} {name}", seed, settings(rule, zz_angle))
                for seed in seeds
            ]
            returns[rule] = np.stack([each.returns for each in outcomes])
        rows[name] = compared(returns) | {"canaries of model": canaries(folder, name, seeds)}
    return rows


def compared(returns: dict[str, FloatArray]) -> dict[str, Any]:
    """Means over seeds, and the paired difference with its interval."""
    found = hierarchical_bootstrap(returns["model"] - returns["shift"]).estimate()
    interval = [significant(each) for each in (found.value, found.low, found.high)]
    means = {rule: significant(float(each.mean()), 4) for rule, each in returns.items()}
    return {"mean return": means, "model minus shift": interval}


def canaries(folder: Path, name: str, seeds: range) -> dict[str, float]:
    """What the canaries of all seeds said."""
    found = [
        record["canary"]["cosine"]
        for seed in seeds
        for record in RunDirectory(folder / run_name(f"model {name}", seed)).metrics()
        if "canary" in record
    ]
    return {
        "number": len(found),
        "median cosine": significant(float(np.median(found))),
        "least": significant(min(found)),
    }


def run_name(name: str, seed: int) -> str:
    """As `benchmarks.seeds` names its runs."""
    from benchmarks.seeds import file_name

    return file_name(name, seed)


def price(rule: str) -> dict[str, float]:
    """QPU seconds of the same training on the device, at least and at most."""
    on_device = merge(settings(rule, 0.0), {"backend": {"name": "fake_fez"}})
    on_device["backend"].pop("device")
    quote = plan_training(parse_config(on_device), queue=0)
    return {"at least": significant(quote.seconds_low), "at most": significant(quote.seconds)}


@one_thread()
def main() -> None:
    """Compare gradients, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-model-gradient"))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    result = {
        "agreement": {device: agreement(device) for device in DEVICES},
        "QPU seconds on a device": {rule: price(rule) for rule in ("shift", "model")},
        "training": training(arguments.folder, range(arguments.seeds)),
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
