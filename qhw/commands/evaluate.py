"""The paired comparison: a policy beside the best hand-made guidance, on the same latents.

Actions are deterministic. The constant and the confidence rule were chosen on other latents, in the
proxy's eyes. Two arms take the policy's own guidance without its sight: open loop applies its mean
at every step (the mean of what was applied, after clipping), shuffled gives each latent the
guidance of another. What they lose is what looking at the picture was worth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from diffusion.comparison import (
    Interval,
    bootstrap_mean,
    compare_at_equal_accuracy,
    paired_difference,
    resample_counts,
)
from diffusion.episodes import play_schedule
from diffusion.headroom import Candidate
from diffusion.schedules import random_matched
from policy import ExpectationBackend, advice
from qhw.backends.facts import NO_BACKEND
from qhw.console import plain_table, print_facts, signed
from qhw.devices.session import Display, paid_session
from qhw.evaluation.baselines import Baselines, best_constant
from qhw.evaluation.eyes import DIVERSITY_EYE, EYES, HELD_OUT
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.files import Cache, write_json
from qhw.runs.directory import RunDirectory
from qhw.runs.lock import sole_use
from qhw.threads import for_pictures, one_thread
from qhw.training.player import Player
from qhw.training.reopening import RESUME, requester_of, require_ledger

RANDOM_SEED = 8_191
BEST_CONSTANT = 2
"""Position of the constant to beat among the arms."""


def evaluate_run(
    run: RunDirectory,
    latents: int,
    *,
    full: bool = False,
    backend: ExpectationBackend | None = None,
) -> list[Row]:
    """Evaluate a run's newest checkpoint, write `evaluation.json`, print the table.

    Args:
        run: A trained run.
        latents: Latents shared by all arms.
        full: Compare with every constant, ramp and random guidance too.
        backend: The one of one's own that the run was trained on, if it was.

    Raises:
        BusyError: If the run's device is used by another process.
    """
    paid = run.config.backend.takes_jobs
    with sole_use(run.path) if paid else nullcontext():
        command = f"evaluate --latents {latents}"
        return evaluate_under_lock(run, latents, full=full, backend=backend, command=command)


@one_thread()
def evaluate_under_lock(
    run: RunDirectory,
    latents: int,
    *,
    full: bool = False,
    backend: ExpectationBackend | None = None,
    command: str = RESUME,
) -> list[Row]:
    """As `evaluate_run`, for whoever has the run to itself already; `command` goes on with it."""
    console = Console()
    display = Display(console)
    requester = requester_of(run, display, command)
    player = Player.of(run, backend=backend, requester=requester, go_on=True)
    started = time.perf_counter()
    with paid_session(console, player.paid_backend, run.path):
        require_ledger(run, player)
        rows = compare_arms(player, latents, full=full, display=display)
    footer = _footer(run, player, time.perf_counter() - started)
    warnings = gap_advice(rows)
    record = {
        "latents": latents,
        "rows": [asdict(row) for row in rows],
        "advice": warnings,
        "drift": player.paid_backend.drift.state()["notes"] if player.paid_backend else [],
    }
    write_json(run.path / "evaluation.json", {**record, **footer})
    print_comparison(console, rows, latents, footer, warnings)
    return rows


def compare_arms(player: Player, latents: int, *, full: bool, display: Display) -> list[Row]:
    """Play every arm on the same latents and compare it with the constants."""
    paired = evaluation_latents(player.bundle, latents)
    judges = Judges(player.bundle)
    cache = Cache.of_user().baselines
    baselines = Baselines(player.bundle, judges, player.environment, paired, cache)
    with for_pictures(), display.status(f"evaluating on {latents} latents"):
        constants = baselines.constants()
        arms = _arms(player, judges, baselines, best_constant(player, constants), full)
        if full:
            arms |= baselines.schedules() | constants
    best = list(arms.values())[BEST_CONSTANT]
    counts = resample_counts(latents, player.config.evaluation.bootstrap, seed=0)

    def view(arm: Outcome, eye: str) -> View:
        score = arm.scores[eye]
        grid = [constant.scores[eye].arm for constant in constants.values()]
        compared = compare_at_equal_accuracy(score.arm, grid, counts)
        log_probability = float(score.log_probability.mean())
        return View(
            compared.accuracy,
            log_probability,
            compared.frechet,
            compared.difference,
            compared.outside,
        )

    resamples = player.config.evaluation.bootstrap
    return [
        Row(
            name=name,
            mean_return=bootstrap_mean(arm.returns, resamples=resamples),
            gain=paired_difference(arm.returns, best.returns, resamples=resamples),
            mean_guidance=float(arm.guidance.mean()),
            diversity=arm.scores[DIVERSITY_EYE].diversity,
            views={eye: view(arm, eye) for eye in EYES},
        )
        for name, arm in arms.items()
    ]


def gap_advice(rows: list[Row]) -> list[str]:
    """Warn where the policy pleases the proxy more than the judges, beyond the constant's gap."""
    policy, constant = (_gap(row) for row in (rows[0], rows[BEST_CONSTANT]))
    return advice({"proxy_judge_gap": policy - constant})


def _gap(row: Row) -> float:
    judged = sum(row.views[judge].accuracy for judge in HELD_OUT) / len(HELD_OUT)
    return row.views["proxy"].accuracy - judged


def _arms(
    player: Player,
    judges: Judges,
    baselines: Baselines,
    best: tuple[str, Outcome],
    full: bool,
) -> dict[str, Outcome]:
    """The policy, the confidence rule, the constant, a = 0, and the policy's guidance unseeing."""
    environment, chosen = player.environment, player.bundle.card.chosen
    paired = baselines.paired
    episode = play_policy(player, paired, f"evaluation-{len(paired.labels)}")

    def replay(guidance: Tensor) -> Outcome:
        played = play_schedule(environment, paired.latents, paired.labels, guidance)
        return judges.judge(played, paired.labels)

    arms = {
        "policy": judges.judge(episode, paired.labels),
        f"rule {chosen.rule_low:g} + {chosen.rule_slope:g} (1 - p)": baselines.candidate(
            Candidate(chosen.rule_low, chosen.rule_slope)
        ),
        best[0]: best[1],
        f"a = 0: g = {environment.cfg_base:g}": baselines.candidate(
            Candidate(environment.cfg_base)
        ),
        "policy, open loop": replay(episode.guidance.mean(dim=1)),
        "policy, shuffled": replay(shuffled(episode.guidance)),
    }
    if full:
        arms["random, same variance"] = replay(_random_like(episode.guidance))
    return arms


def shuffled(guidance: Tensor) -> Tensor:
    """Give every latent the whole trajectory (T,) of another, out of guidance (T, N)."""
    generator = torch.Generator().manual_seed(RANDOM_SEED)
    order = torch.randperm(guidance.shape[1], generator=generator)
    return guidance[:, order][:, torch.argsort(order.roll(1))]


def _random_like(guidance: Tensor) -> Tensor:
    steps, count = guidance.shape
    return random_matched(steps, count, float(guidance.mean()), float(guidance.var()), RANDOM_SEED)


def _footer(run: RunDirectory, player: Player, evaluation_seconds: float) -> dict[str, Any]:
    facts = run.read_json("provenance.json")
    seconds = sum(sum(record["seconds"].values()) for record in run.metrics())
    return {
        "parameters": facts["parameters"],
        "updates": player.updates,
        "gradient rule": facts["gradient_rule"],
        **(facts["backend"] or NO_BACKEND),
        **(player.paid_backend.drift.facts().words() if player.paid_backend else {}),
        "training seconds": round(seconds, 1),
        "evaluation seconds": round(evaluation_seconds, 1),
    }


OUTSIDE = 0.05

HOW_TO_READ = (
    "Frechet: distance to real pictures in that eye's features, lower is better. 'at equal "
    "accuracy': that distance minus the constants' at the same accuracy in the same eye; below 0 "
    "is better than any constant. * the accuracy lies outside the constants' range, so the "
    "nearest constant is compared. Diversity: mean distance within a class. Intervals are 95 %, "
    "over latents, for this one training run."
)


@dataclass(frozen=True)
class View:
    """An arm in one eye; intervals are 95 %, paired over latents.

    Attributes:
        accuracy: Share of pictures whose wanted class the eye names.
        log_probability: Mean log p of the wanted class, nats.
        frechet: Frechet distance to real pictures in the eye's features.
        equal_accuracy: That distance minus the constants' at equal accuracy in the same eye.
        outside: Share of resamples whose accuracy lies outside the constants' range.
    """

    accuracy: float
    log_probability: float
    frechet: float
    equal_accuracy: Interval
    outside: float


@dataclass(frozen=True)
class Row:
    """One arm of the table; intervals are 95 %, paired over latents.

    Attributes:
        name: Of the arm.
        mean_return: With its interval.
        gain: Return minus the best constant's.
        mean_guidance: Over steps and latents.
        diversity: Mean feature distance within a class, first judge.
        views: One per eye.
    """

    name: str
    mean_return: Interval
    gain: Interval
    mean_guidance: float
    diversity: float
    views: dict[str, View]


def print_comparison(
    console: Console,
    rows: Sequence[Row],
    latents: int,
    footer: dict[str, Any],
    warnings: Sequence[str],
) -> None:
    """Print returns, then each eye's view, then how to read them and what was run."""
    console.print(_returns(rows, latents))
    for eye, looker in EYES.items():
        console.print(_eye(rows, eye, looker.described))
    console.print(HOW_TO_READ)
    for line in warnings:
        console.print(line, style="yellow")
    print_facts(console, footer)


def _returns(rows: Sequence[Row], latents: int) -> Table:
    table = plain_table(
        f"Paired over the same {latents} latents", "return", "minus the constant's", "mean g"
    )
    for row in rows:
        cells = (signed(row.mean_return), signed(row.gain))
        table.add_row(row.name, *cells, f"{row.mean_guidance:.2f}")
    return table


def _eye(rows: Sequence[Row], eye: str, title: str) -> Table:
    last = "at equal accuracy"
    told = ("diversity", last) if eye == DIVERSITY_EYE else (last,)
    table = plain_table(f"Seen by {title}", "accuracy", "log p", "Frechet", *told)
    for row in rows:
        view = row.views[eye]
        mark = "*" if view.outside > OUTSIDE else " "
        numbers: tuple[str, ...] = (
            f"{view.accuracy:.3f}",
            f"{view.log_probability:.3f}",
            f"{view.frechet:.2f}",
        )
        if eye == DIVERSITY_EYE:
            numbers += (f"{row.diversity:.2f}",)
        table.add_row(row.name, *numbers, signed(view.equal_accuracy, 2) + mark)
    return table
