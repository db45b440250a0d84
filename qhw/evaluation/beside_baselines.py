"""A policy beside the best hand-made guidance, on the same latents: played, judged, compared.

Actions are deterministic. The constant and the confidence rule were chosen on other latents, in the
proxy's eyes. Two arms take the policy's own guidance without its sight: open loop applies its mean
at every step (the mean of what was applied, after clipping), shuffled gives each latent the
guidance of another. What they lose is what looking at the picture was worth. Two placebos,
constants between those that everything is compared with, show how exact that comparison is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffusion.comparison import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    resample_counts,
)
from diffusion.episodes import Episode, play_schedule
from diffusion.schedules import random_matched
from policy import advice
from qhw.devices.session import Display
from qhw.evaluation.arms import Arms
from qhw.evaluation.baselines import Baselines, NamedOutcome
from qhw.evaluation.beside_constants import BesideConstants, beside_constants
from qhw.evaluation.eyes import DIVERSITY_EYE
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.threads import for_pictures
from qhw.training.player import Player

RANDOM_SEED = 8_191
OUTSIDE = 0.05
"""Share of resamples beyond the constants' log p from which on a row is marked."""


@dataclass(frozen=True)
class View:
    """An arm in one eye; intervals are 95 %, paired over latents.

    Attributes:
        accuracy: Share of pictures whose wanted class the eye names.
        log_probability: Mean log p of the wanted class, nats.
        frechet: Frechet distance to real pictures in the eye's features.
        kernel: Kernel distance to them, unbiased.
        at_equal_log_p: The Frechet distance minus the constants' at equal log p in the same eye.
        outside: Share of resamples whose log p no constant reaches.
        resolution: Size up to which `at_equal_log_p` is no difference: what the placebos read.
    """

    accuracy: float
    log_probability: float
    frechet: float
    kernel: float
    at_equal_log_p: Interval
    outside: float
    resolution: float


@dataclass(frozen=True)
class Row:
    """One arm of the table; intervals are 95 %, paired over latents.

    Attributes:
        name: Name of the arm.
        mean_return: Mean return with its interval.
        gain: Return minus the best constant's.
        mean_guidance: Mean over steps and latents.
        diversity: Mean feature distance within a class, first judge.
        proxy_gap: Accuracy that the proxy sees beyond the judges, minus the best constant's.
        views: One per eye.
        likeness: The paper's metrics by `REFERENCE/METRIC`; None where a picture is its own
            reference. Empty unless asked for.
    """

    name: str
    mean_return: Interval
    gain: Interval
    mean_guidance: float
    diversity: float
    proxy_gap: Interval
    views: dict[str, View]
    likeness: dict[str, Interval | None]


def compare_arms(
    player: Player, latents: int, *, full: bool, published: bool = False, display: Display
) -> Arms[Row]:
    """Play every arm on the same latents and compare it with the constants.

    Args:
        player: The policy.
        latents: How many.
        full: Play random guidance, the ramps and every constant too; take the paper's metrics.
        published: And published methods, chosen for this setting first.
        display: Shows what a device does.
    """
    paired = evaluation_latents(player.bundle, latents)
    judges = Judges(player.bundle)
    baselines = Baselines.of(player, judges, paired, display.say)
    with for_pictures(), display.work(f"evaluating on {latents} latents"):
        resamples = player.config.evaluation.bootstrap
        constants = beside_constants(baselines, resample_counts(latents, resamples, seed=0))
        arms = _play(player, judges, baselines, full)
        if published:
            arms = replace(arms, others=(*arms.others, *baselines.published()))
    best = arms.constant.outcome

    def row(arm: NamedOutcome) -> Row:
        outcome = arm.outcome
        return Row(
            name=arm.name,
            mean_return=bootstrap_mean(outcome.returns, resamples=resamples),
            gain=bootstrap_difference(outcome.returns, best.returns, resamples=resamples),
            mean_guidance=float(outcome.guidance.mean()),
            diversity=outcome.scores[DIVERSITY_EYE].diversity,
            proxy_gap=bootstrap_difference(outcome.proxy_gap, best.proxy_gap, resamples=resamples),
            views={eye: _view(outcome, each) for eye, each in constants.items()},
            likeness={
                name: bootstrap_mean(values, resamples=resamples)
                if np.isfinite(values).all()
                else None
                for name, values in outcome.likeness.items()
                if full
            },
        )

    return arms.map(row)


def gap_advice(rows: Arms[Row]) -> list[str]:
    """Warn where the policy pleases the proxy more than the judges, beyond the constant's gap.

    A gap that may be chance is not told.
    """
    gap = rows.policy.proxy_gap
    return advice({"proxy_judge_gap": gap.estimate}) if gap.low > 0 else []


def shuffled(guidance: Tensor) -> Tensor:
    """Give every latent the whole trajectory (T,) of another, out of guidance (T, N)."""
    generator = torch.Generator().manual_seed(RANDOM_SEED)
    order = torch.randperm(guidance.shape[1], generator=generator)
    return guidance[:, order][:, torch.argsort(order.roll(1))]


def _play(player: Player, judges: Judges, baselines: Baselines, full: bool) -> Arms[NamedOutcome]:
    paired = baselines.paired
    episode = play_policy(player, paired, f"evaluation-{len(paired.labels)}")

    def judged(name: str, played: Episode) -> NamedOutcome:
        outcome = judges.judge(played, paired.labels)
        if full:
            outcome = replace(outcome, likeness=baselines.paper_metrics.measure(played.images))
        return NamedOutcome(name, outcome)

    def replayed(name: str, guidance: Tensor) -> NamedOutcome:
        played = play_schedule(player.environment, paired.latents, paired.labels, guidance)
        return judged(name, played)

    arms = Arms(
        policy=judged("policy", episode),
        rule=baselines.rule(),
        greedy=baselines.greedy(),
        constant=baselines.constant(),
        base=baselines.base(),
        open_loop=replayed("policy, open loop", episode.guidance.mean(dim=1)),
        shuffled=replayed("policy, shuffled", shuffled(episode.guidance)),
        others=tuple(baselines.placebos()),
    )
    if not full:
        return arms
    steps, count = episode.guidance.shape
    mean, variance = float(episode.guidance.mean()), float(episode.guidance.var())
    noise = random_matched(steps, count, mean, variance, RANDOM_SEED)
    random = replayed("random, same variance", noise)
    return replace(
        arms, others=(*arms.others, random, *baselines.schedules(), *baselines.constants())
    )


def _view(outcome: Outcome, constants: BesideConstants) -> View:
    score, compared = outcome.scores[constants.eye], constants.compare(outcome)
    return View(
        accuracy=float(score.arm.correct.mean()),
        log_probability=float(score.arm.log_probability.mean()),
        frechet=compared.frechet,
        kernel=score.kernel,
        at_equal_log_p=compared.difference,
        outside=compared.outside,
        resolution=constants.resolution,
    )
