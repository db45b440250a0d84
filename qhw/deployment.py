"""Sample with a trained controller, beside the best constant on the same latents."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.episodes import Episode, play
from diffusion.headroom import Candidate, play_candidate, wide_environment
from diffusion.lpips_distance import LpipsDistance
from diffusion.metrics import psnr, ssim
from qhw import plots
from qhw.config import RunConfig, merge, parse_config
from qhw.evaluation import mean_action
from qhw.outcomes import EYES, Judges, PairedLatents, evaluation_latents
from qhw.runs import RunDirectory, open_run, write_json
from qhw.tables import from_here, plain_table, print_facts
from qhw.threads import for_pictures, one_thread
from qhw.training import Trainer

SAMPLE_SEED = 31_337
EYE_TITLES = {"proxy": "proxy", "judge_0": "judge 1", "judge_1": "judge 2"}


@dataclass(frozen=True)
class Sampled:
    """What one arm's pictures came to, means over the pictures.

    Attributes:
        mean_return: Undiscounted.
        mean_guidance: Over steps and pictures.
        accuracy: Eye to the share of pictures whose class it names.
        log_probability: Eye to the mean log p of the wanted class, nats.
    """

    mean_return: float
    mean_guidance: float
    accuracy: dict[str, float]
    log_probability: dict[str, float]


@one_thread()
def deploy(run_path: Path, backend: dict[str, Any], *, images: int, seed: int) -> None:
    """Make pictures, traces and a table in `RUN/samples/`, and print the table.

    Args:
        run_path: A trained run.
        backend: Settings laid over the run's own backend; None leaves one as it is.
        images: Pictures to make.
        seed: Of the latents.
    """
    console = Console()
    run = open_run(run_path)
    trainer = Trainer(deployed_config(run.config, backend))
    trainer.restore(run.latest_checkpoint())
    paired = evaluation_latents(trainer.bundle, images, SAMPLE_SEED + seed)
    started = time.perf_counter()
    with for_pictures():
        act = mean_action(trainer.actor)
        episode = play(trainer.environment, paired.latents, paired.labels, act)
        seconds = time.perf_counter() - started
        constant = _play_constant(trainer, paired)
    folder = run.path / "samples"
    folder.mkdir(exist_ok=True)
    name = f"constant {trainer.bundle.card.chosen.constant:g}"
    _save_pictures(folder, trainer.bundle, name, episode, constant, paired.labels)
    judges = Judges(trainer.bundle)
    arms = {
        "policy": _sampled(judges, episode, paired.labels),
        name: _sampled(judges, constant, paired.labels),
    }
    _report(console, run, trainer, arms, likeness(episode.images, constant.images), seconds, images)


def deployed_config(config: RunConfig, backend: dict[str, Any]) -> RunConfig:
    """The run's settings with another backend; a change of its kind drops what does not apply."""
    values = config.model_dump(exclude_unset=True, exclude_none=True)
    if backend["name"] == "aer":
        values.pop("backend", None)
    return parse_config(merge(values, {"backend": backend}))


def likeness(images: Tensor, others: Tensor) -> dict[str, float]:
    """How alike two sets of pictures (N, c, h, w) in [0, 1] are, pair by pair, on average."""
    return {
        "PSNR (dB)": float(psnr(images, others).mean()),
        "SSIM": float(ssim(images, others).mean()),
        "LPIPS": float(LpipsDistance()(images, others).mean()),
    }


def _play_constant(trainer: Trainer, paired: PairedLatents) -> Episode:
    bundle, environment = trainer.bundle, trainer.environment
    wide = wide_environment(
        environment.sampler,
        bundle.proxy,
        environment.reward,
        environment.cfg_base,
        environment.guidance_range,
        environment.distance,
    )
    candidate = Candidate(bundle.card.chosen.constant)
    return play_candidate(wide, candidate, paired.latents, paired.labels)


def _sampled(judges: Judges, episode: Episode, labels: Tensor) -> Sampled:
    sights = judges.see(episode.images, labels)
    return Sampled(
        float(episode.returns.mean()),
        float(episode.guidance.mean()),
        {eye: float(sight.correct.mean()) for eye, sight in sights.items()},
        {eye: float(sight.log_probability.mean()) for eye, sight in sights.items()},
    )


def _save_pictures(
    folder: Path, bundle: Bundle, name: str, policy: Episode, constant: Episode, labels: Tensor
) -> None:
    titles = [bundle.card.class_names[int(label)] for label in labels]
    panels = {"policy": policy.images, name: constant.images}
    plots.picture_grid(folder / "pictures.png", panels, titles)
    plots.guidance_traces(folder / "guidance.png", policy.guidance, bundle.card.chosen.constant)


def _report(
    console: Console,
    run: RunDirectory,
    trainer: Trainer,
    arms: dict[str, Sampled],
    alike: dict[str, float],
    seconds: float,
    images: int,
) -> None:
    facts = dict(trainer.backend.describe()) if trainer.backend else {}
    record = {
        "arms": {name: asdict(arm) for name, arm in arms.items()},
        "policy against constant": alike,
        "backend": facts,
        "cost": trainer.meter.take(),
        "seconds": seconds,
    }
    write_json(run.path / "samples" / "metrics.json", record)
    console.print(_table(arms, images))
    told = ", ".join(f"{name} {value:.3f}" for name, value in alike.items())
    console.print(f"The policy's pictures against the constant's, latent by latent: {told}.")
    console.print("Few pictures tell little: `qhw evaluate` compares on 2,000 latents.")
    print_facts(console, {**facts, "sampling seconds": round(seconds, 1)})
    for file in ("pictures.png", "guidance.png", "metrics.json"):
        console.print(f"{from_here(run.path)}/samples/{file}", soft_wrap=True)


def _table(arms: dict[str, Sampled], count: int) -> Table:
    table = plain_table(f"The same {count} latents", *arms)
    table.add_row("return", *(f"{arm.mean_return:+.3f}" for arm in arms.values()))
    table.add_row("mean guidance", *(f"{arm.mean_guidance:.2f}" for arm in arms.values()))
    for eye in EYES:
        accuracy = (f"{arm.accuracy[eye]:.3f}" for arm in arms.values())
        table.add_row(f"{EYE_TITLES[eye]} accuracy", *accuracy)
        log_probability = (f"{arm.log_probability[eye]:.3f}" for arm in arms.values())
        table.add_row(f"{EYE_TITLES[eye]} log p", *log_probability)
    return table
