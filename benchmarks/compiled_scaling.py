"""What a noisy gradient costs with qubits, depth and batch; and where a PPO update's time goes.

    python -m benchmarks.compiled_scaling

Writes compiled_scaling.json and a plot. Device: Brisbane's snapshot. CPU seconds on one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure

from benchmarks.compiled_engine import draw, open_noisy
from benchmarks.timing import interleaved, significant, write_result
from policy import ParameterShift, RingCircuit
from qhw.config import parse_config
from qhw.training.trainer import Trainer

QUBITS, DEPTHS, BATCHES = range(2, 9), range(1, 7), (1, 8, 64, 512, 2048)
DEVICE = "fake_brisbane"


def circuit_of(qubits: int, depth: int) -> RingCircuit:
    return RingCircuit(qubits, depth, "linear" if qubits < 3 else "dense")


def gradient_ms(circuit: RingCircuit, batch: int, folder: Path, rounds: int) -> dict[str, float]:
    compiled, _ = open_noisy(circuit, DEVICE, folder)
    angles, weights, upstream = draw(circuit, batch)
    shift = ParameterShift()
    seconds = interleaved(
        {
            "adjoint": lambda: compiled.vjp(angles, weights, upstream),
            "shift": lambda: shift.weight_gradient(compiled, angles, weights, upstream),
        },
        rounds=rounds,
    )
    return {name: significant(1000 * value) for name, value in seconds.items()}


def adjoint_ms(circuit: RingCircuit, batch: int, folder: Path) -> float:
    compiled, _ = open_noisy(circuit, DEVICE, folder)
    angles, weights, upstream = draw(circuit, batch)
    peers = {"adjoint": lambda: compiled.vjp(angles, weights, upstream)}
    return significant(1000 * interleaved(peers, rounds=2)["adjoint"])


def ppo_update() -> dict[str, float]:
    """One update of 640 transitions, 4 epochs of minibatches of 64, on the embedded model."""
    torch.set_num_threads(1)
    settings = {"ppo": {"environments": 64, "epochs": 4, "minibatches": 10}}
    results: dict[str, float] = {}
    for rule in ("shift", "adjoint"):
        trainer = Trainer(parse_config({**settings, "gradient": {"rule": rule}}))
        trainer.advance()
        started = time.process_time()
        record = trainer.advance()
        total = time.process_time() - started
        quantum = sum(cost["seconds"] for cost in record["cost"].values())
        results |= {
            f"{rule}: whole, s": significant(total),
            f"{rule}: rollout, s": significant(record["seconds"]["rollout"]),
            f"{rule}: circuit, share of the whole": significant(quantum / total),
        }
    return results


def plot(path: Path, by_size: dict[str, float], by_batch: dict[str, float]) -> None:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
    for depth, colour in zip(DEPTHS, colours, strict=True):
        times = [by_size[f"n {n}, L {depth}"] for n in QUBITS]
        left.plot(QUBITS, times, color=colour, label=f"L = {depth}")
    right.plot(BATCHES, [by_batch[f"B {b}"] for b in BATCHES], color=colours[0], marker="o")
    left.set(yscale="log", xlabel="qubits n", ylabel="gradient, B = 64 (ms)")
    right.set(xscale="log", yscale="log", xlabel="batch B", ylabel="gradient, n = 4, L = 2 (ms)")
    left.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_size = {
            f"n {n}, L {depth}": adjoint_ms(circuit_of(n, depth), 64, folder)
            for n in QUBITS
            for depth in DEPTHS
        }
        by_batch = {f"B {b}": adjoint_ms(RingCircuit(), b, folder) for b in BATCHES}
        shift = {f"n {n}, L 2": gradient_ms(circuit_of(n, 2), 64, folder, 15) for n in (2, 4, 6)}
        largest = adjoint_ms(circuit_of(8, 2), 2048, folder)
    plot(Path(__file__).with_suffix(".png"), by_size, by_batch)
    write_result(
        __file__,
        {
            "adjoint, B = 64, ms": by_size,
            "adjoint, n = 4, L = 2, ms": by_batch,
            "shift against adjoint, B = 64, ms": shift,
            "adjoint, n = 8, L = 2, B = 2048, ms": largest,
            "PPO update": ppo_update(),
        },
    )


if __name__ == "__main__":
    main()
