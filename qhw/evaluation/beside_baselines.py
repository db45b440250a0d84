"""A policy beside the best hand-made guidance, on the same latents: played, judged, compared.

Actions are deterministic. The constant and the confidence rule were chosen on other latents, in the
proxy's eyes. Two arms take the policy's own guidance without its sight: open loop applies its mean
at every step (the mean of what was applied, after clipping), shuffled gives each latent the
guidance of another. What they lose is what looking at the picture was worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion.comparison import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    compare_at_equal_accuracy,
    resample_counts,
)
from diffusion.episodes import play_schedule
from diffusion.schedules import random_matched
from policy import advice
from qhw.devices.session import Display
from qhw.evaluation.arms import Arms
from qhw.evaluation.baselines import Baselines, NamedOutcome
from qhw.evaluation.eyes import DIVERSITY_EYE, EYES, HELD_OUT
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.threads import for_pictures
from qhw.training.player import Player

RANDOM_SEED = 8_191
OUTSIDE = 0.05
"""Share of resamples beyond the constants' accuracies from which on a row is marked."""


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
        name: Name of the arm.
        mean_return: Mean return with its interval.
        gain: Return minus the best constant's.
        mean_guidance: Mean over steps and latents.
        diversity: Mean feature distance within a class, first judge.
        views: One per eye.
    """

    name: str
    mean_return: Interval
    gain: Interval
    mean_guidance: float
    diversity: float
    views: dict[str, View]


def compare_arms(
    player: Player, latents: int, *, full: bool, published: bool = False, display: Display
) -> Arms[Row]:
    """Play every arm on the same latents and compare it with the constants.

    Args:
        player: The policy.
        latents: How many.
        full: Play random guidance, the ramps and every constant too.
        published: And published methods, chosen for this setting first.
        display: Shows what a device does.
    """
    paired = evaluation_latents(player.bundle, latents)
    judges = Judges(player.bundle)
    baselines = Baselines.of(player, judges, paired)
    with for_pictures(), display.status(f"evaluating on {latents} latents"):
        constants = baselines.constants()
        arms = _play(player, judges, baselines, full)
        if published:
            arms = replace(arms, others=(*arms.others, *baselines.published()))
    resamples = player.config.evaluation.bootstrap
    grid = [constant.outcome for constant in constants]
    counts = resample_counts(latents, resamples, seed=0)
    best = arms.constant.outcome

    def row(arm: NamedOutcome) -> Row:
        outcome = arm.outcome
        return Row(
            name=arm.name,
            mean_return=bootstrap_mean(outcome.returns, resamples=resamples),
            gain=bootstrap_difference(outcome.returns, best.returns, resamples=resamples),
            mean_guidance=float(outcome.guidance.mean()),
            diversity=outcome.scores[DIVERSITY_EYE].diversity,
            views={eye: _view(outcome, grid, eye, counts) for eye in EYES},
        )

    return arms.map(row)


def gap_advice(rows: Arms[Row]) -> list[str]:
    """Warn where the policy pleases the proxy more than the judges, beyond the constant's gap."""
    return advice({"proxy_judge_gap": _gap(rows.policy) - _gap(rows.constant)})


def shuffled(guidance: Tensor) -> Tensor:
    """Give every latent the whole trajectory (T,) of another, out of guidance (T, N)."""
    generator = torch.Generator().manual_seed(RANDOM_SEED)
    order = torch.randperm(guidance.shape[1], generator=generator)
    return guidance[:, order][:, torch.argsort(order.roll(1))]


def _play(player: Player, judges: Judges, baselines: Baselines, full: bool) -> Arms[NamedOutcome]:
    paired = baselines.paired
    episode = play_policy(player, paired, f"evaluation-{len(paired.labels)}")

    def replayed(name: str, guidance: Tensor) -> NamedOutcome:
        played = play_schedule(player.environment, paired.latents, paired.labels, guidance)
        return NamedOutcome(name, judges.judge(played, paired.labels))

    arms = Arms(
        policy=NamedOutcome("policy", judges.judge(episode, paired.labels)),
        rule=baselines.rule(),
        greedy=baselines.greedy(),
        constant=baselines.constant(),
        base=baselines.base(),
        open_loop=replayed("policy, open loop", episode.guidance.mean(dim=1)),
        shuffled=replayed("policy, shuffled", shuffled(episode.guidance)),
    )
    if not full:
        return arms
    steps, count = episode.guidance.shape
    mean, variance = float(episode.guidance.mean()), float(episode.guidance.var())
    noise = random_matched(steps, count, mean, variance, RANDOM_SEED)
    random = replayed("random, same variance", noise)
    return replace(arms, others=(random, *baselines.schedules(), *baselines.constants()))


def _view(
    outcome: Outcome, constants: Sequence[Outcome], eye: str, counts: NDArray[np.int64]
) -> View:
    score = outcome.scores[eye]
    grid = [constant.scores[eye].arm for constant in constants]
    compared = compare_at_equal_accuracy(score.arm, grid, counts)
    return View(
        compared.accuracy,
        float(score.log_probability.mean()),
        compared.frechet,
        compared.difference,
        compared.outside,
    )


def _gap(row: Row) -> float:
    first, second = (row.views[eye].accuracy for eye in HELD_OUT)
    return row.views["proxy"].accuracy - (first + second) / 2
