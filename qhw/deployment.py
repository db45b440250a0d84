"""Sample with a trained controller, beside the best constant on the same latents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.episodes import Episode, play
from diffusion.headroom import Candidate, play_candidate, wide_environment
from qhw import plots
from qhw.config import RunConfig, merge, parse_config
from qhw.outcomes import EYES, Outcome, PairedLatents, evaluation_latents, judge
from qhw.runs import RunDirectory, open_run, write_json
from qhw.training import Trainer

SAMPLE_SEED = 31_337


def deploy(run_path: Path, backend: dict[str, Any], *, images: int, seed: int) -> None:
    """Make pictures, traces and a table in `RUN/samples/`, and print the table.

    Args:
        run_path: A trained run.
        backend: Settings laid over the run's own backend; None leaves one as it is.
        images: Pictures to make.
        seed: Of the latents.
    """
    torch.set_num_threads(1)
    console = Console()
    run = open_run(run_path)
    trainer = Trainer(deployed_config(run.config, backend))
    trainer.restore(run.latest_checkpoint())
    paired = evaluation_latents(trainer.bundle, images, SAMPLE_SEED + seed)
    started = time.perf_counter()
    episode = play(trainer.environment, paired.latents, paired.labels, _act(trainer))
    seconds = time.perf_counter() - started
    constant = _play_constant(trainer, paired)
    folder = run.path / "samples"
    folder.mkdir(exist_ok=True)
    _save_pictures(folder, trainer.bundle, episode, constant)
    outcomes = {
        "policy": judge(trainer.bundle, episode, paired.labels),
        f"constant {trainer.bundle.card.chosen.constant:g}": judge(
            trainer.bundle, constant, paired.labels
        ),
    }
    _report(console, run, trainer, outcomes, folder, seconds)


def deployed_config(config: RunConfig, backend: dict[str, Any]) -> RunConfig:
    """The run's settings with another backend; a change of its kind drops what does not apply."""
    values = config.model_dump(exclude_unset=True, exclude_none=True)
    if backend["name"] == "aer":
        values.pop("backend", None)
    return parse_config(merge(values, {"backend": backend}))


def _act(trainer: Trainer) -> Any:
    def act(_step: int, state: Tensor) -> Tensor:
        with torch.no_grad():
            return trainer.actor.action_mean(state)

    return act


def _play_constant(trainer: Trainer, paired: PairedLatents) -> Episode:
    bundle, environment = trainer.bundle, trainer.environment
    wide = wide_environment(
        bundle.denoiser, bundle.proxy, environment.reward, environment.num_steps
    )
    candidate = Candidate(bundle.card.chosen.constant)
    return play_candidate(wide, candidate, paired.latents, paired.labels)


def _save_pictures(folder: Path, bundle: Bundle, policy: Episode, constant: Episode) -> None:
    name = f"constant {bundle.card.chosen.constant:g}"
    plots.picture_grid(folder / "pictures.png", {"policy": policy.images, name: constant.images})
    plots.guidance_traces(folder / "guidance.png", policy.guidance, bundle.card.chosen.constant)


def _report(
    console: Console,
    run: RunDirectory,
    trainer: Trainer,
    outcomes: dict[str, Outcome],
    folder: Path,
    seconds: float,
) -> None:
    table = Table("", *outcomes)
    table.add_row("return", *(f"{o.returns.mean():+.3f}" for o in outcomes.values()))
    table.add_row("mean guidance", *(f"{o.guidance.mean():.2f}" for o in outcomes.values()))
    for eye in EYES:
        title = eye.replace("_0", " 1").replace("_1", " 2")
        cells = (f"{o.correct[eye].mean():.3f}" for o in outcomes.values())
        table.add_row(f"{title} accuracy", *cells)
    console.print(table)
    facts = dict(trainer.backend.describe()) if trainer.backend else {}
    cost = trainer.meter.take()
    write_json(
        folder / "metrics.json",
        {
            "returns": {name: o.returns.tolist() for name, o in outcomes.items()},
            "backend": facts,
            "cost": cost,
            "seconds": seconds,
        },
    )
    console.print(", ".join(f"{key}: {value}" for key, value in facts.items()), soft_wrap=True)
    console.print(f"{seconds:.1f} s; {folder}/pictures.png, guidance.png", soft_wrap=True)
    console.print(f"Few pictures tell little: `qhw evaluate {run.path}`.", soft_wrap=True)
