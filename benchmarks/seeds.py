"""The default command with five seeds: does the trained ring beat what needs no training?

    python -m benchmarks.seeds [FOLDER]

Runs `qhw train --backend aer_noisy` for seeds 0 to 4 (resumable; finished runs are kept in FOLDER),
evaluates each on 2,000 latents, and writes seeds.json and seeds.md. Training runs are the unit of
replication: joint intervals are Student's t over the five seeds' estimates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.timing import significant, write_result
from qhw.commands.evaluate import evaluate_run
from qhw.commands.train import train_run
from qhw.config import parse_config
from qhw.evaluation.arms import Arms
from qhw.evaluation.beside_baselines import Row
from qhw.runs.directory import RunDirectory, create_run

SEEDS = range(5)
LATENTS = 2000

Measure = Callable[[Arms[Row]], float]


def over(other: Callable[[Arms[Row]], Row]) -> Measure:
    """Mean return of the policy minus that of another arm, on the same latents."""
    return lambda rows: rows.policy.mean_return.estimate - other(rows).mean_return.estimate


def at_equal_log_p(eye: str) -> Measure:
    return lambda rows: rows.policy.views[eye].at_equal_log_p.estimate


MEASURES: dict[str, Measure] = {
    "return, minus the best constant's": over(lambda rows: rows.constant),
    "return, minus the best rule's": over(lambda rows: rows.rule),
    "return, minus its open loop's": over(lambda rows: rows.open_loop),
    "return, minus its shuffled guidance's": over(lambda rows: rows.shuffled),
    "judge 1, Frechet at equal log p": at_equal_log_p("judge_0"),
    "judge 2, Frechet at equal log p": at_equal_log_p("judge_1"),
    "proxy, Frechet at equal log p": at_equal_log_p("proxy"),
}


def trained(folder: Path, seed: int) -> RunDirectory:
    path = folder / f"seed{seed}"
    run = RunDirectory(path)
    if not (path / "config.toml").exists():
        run = create_run(folder, parse_config({"seed": seed}), path.name)
    if len(run.metrics()) < run.config.ppo.updates:
        train_run(run)
    return run


def joint(estimates: list[float]) -> list[float]:
    """Mean and 95 % interval over seeds."""
    mean = float(np.mean(estimates))
    half = stats.t.ppf(0.975, len(estimates) - 1) * stats.sem(estimates)
    return [significant(value) for value in (mean, mean - half, mean + half)]


def table(results: dict[str, dict[str, Any]]) -> str:
    lines = ["| | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean [95 %] |"]
    lines.append("|---" * (len(SEEDS) + 2) + "|")
    for name, values in results.items():
        cells = " | ".join(f"{value:+.3f}" for value in values["seeds"])
        mean, low, high = values["mean and 95 % interval"]
        lines.append(f"| {name} | {cells} | {mean:+.3f} [{low:+.3f}, {high:+.3f}] |")
    return "\n".join(lines)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs-seeds")
    rows, seconds = [], []
    for seed in SEEDS:
        run = trained(folder, seed)
        rows.append(evaluate_run(run, LATENTS))
        seconds.append(sum(sum(record["seconds"].values()) for record in run.metrics()))
    results = {}
    for name, measure in MEASURES.items():
        estimates = [measure(each) for each in rows]
        results[name] = {
            "seeds": [significant(value) for value in estimates],
            "mean and 95 % interval": joint(estimates),
        }
    settings = parse_config({})
    transitions = settings.ppo.updates * settings.ppo.environments * settings.environment.steps
    page = f"""# Five seeds of the default command

`qhw train --backend aer_noisy`, {transitions:,} transitions under the noise of
`{settings.backend.device}`, seeds 0 to 4; evaluated on the same {LATENTS:,} latents. Written by
`benchmarks/seeds.py`. Intervals are Student's t over seeds. Frechet distances: below 0 is better
than the constants of the same log p in the same eye.

{table(results)}
"""
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")
    write_result(__file__, {**results, "training seconds": [significant(s) for s in seconds]})


if __name__ == "__main__":
    main()
