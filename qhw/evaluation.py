"""The paired table: a policy beside the best hand-made guidance, on the same latents.

Actions are deterministic. The constant and the confidence rule were chosen on other latents, in the
proxy's eyes. The open-loop arm replays the policy's mean action per step: what it loses is what
feedback was worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from diffusion.bundle import Bundle
from diffusion.comparison import (
    Arm,
    Interval,
    bootstrap_mean,
    equal_accuracy_difference,
    paired_difference,
)
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import play, play_schedule
from diffusion.headroom import CONSTANT_GRID, Candidate, play_candidate
from diffusion.metrics import GaussianReference, diversity
from diffusion.sampler import GuidedSampler
from policy import Actor
from qhw.doctor import cache_folder
from qhw.outcomes import (
    EYES,
    Outcome,
    PairedLatents,
    evaluation_latents,
    judge,
    real_features,
    remembered,
    reward_key,
)
from qhw.runs import RunDirectory, write_json
from qhw.training import Trainer

TITLES = {"proxy": "proxy", "judge_0": "judge 1", "judge_1": "judge 2"}


@dataclass(frozen=True)
class Row:
    """One arm of the table; intervals are 95 %, paired over latents.

    Attributes:
        name: Of the arm.
        mean_return: With its interval.
        gain: Return minus the best constant's.
        accuracy: Eye to its accuracy.
        log_probability: Eye to its mean log p, nats.
        frechet: Eye to the Frechet distance in its features.
        equal_accuracy: Eye to the distance minus the constants' at equal accuracy in that eye.
        outside: Eye to the share of resamples outside the constants' range of accuracy.
        diversity: Mean feature distance within a class, first judge.
        mean_guidance: Over steps and latents.
    """

    name: str
    mean_return: Interval
    gain: Interval
    accuracy: dict[str, float]
    log_probability: dict[str, float]
    frechet: dict[str, float]
    equal_accuracy: dict[str, Interval]
    outside: dict[str, float]
    diversity: float
    mean_guidance: float


class Baselines:
    """Guidance that does not depend on a run; outcomes are remembered on disk.

    Args:
        bundle: The model.
        environment: The run's, whose reward and limits are used with an unlimited action.
        paired: The latents.
    """

    def __init__(
        self, bundle: Bundle, environment: GuidanceEnvironment, paired: PairedLatents
    ) -> None:
        self._bundle, self._paired = bundle, paired
        self._environment = GuidanceEnvironment(
            GuidedSampler(bundle.denoiser, environment.num_steps),
            bundle.proxy,
            environment.reward,
            environment.cfg_base,
            environment.guidance_range,
            action_limit=20.0,
        )

    def outcome(self, candidate: Candidate) -> Outcome:
        """Play a constant or a rule, or recall what it gave."""
        key = {
            "bundle": self._bundle.card.digest,
            "reward": reward_key(self._environment.reward),
            "cfg_base": self._environment.cfg_base,
            "range": self._environment.guidance_range,
            "steps": self._environment.num_steps,
            "latents": len(self._paired.labels),
            "candidate": asdict(candidate),
        }
        return remembered(cache_folder() / "baselines", key, partial(self._play, candidate))

    def _play(self, candidate: Candidate) -> Outcome:
        latents, labels = self._paired.latents, self._paired.labels
        episode = play_candidate(self._environment, candidate, latents, labels)
        return judge(self._bundle, episode, labels)


def evaluate_run(run: RunDirectory, latents: int) -> None:
    """Evaluate a run's newest checkpoint, write `evaluation.json`, print the table."""
    torch.set_num_threads(1)
    trainer = Trainer(run.config)
    trainer.restore(run.latest_checkpoint())
    rows = compare_arms(trainer, latents, Console())
    footer = _footer(run, trainer, latents)
    write_json(run.path / "evaluation.json", {"rows": [asdict(row) for row in rows], **footer})
    print_table(rows, footer, Console())


def compare_arms(trainer: Trainer, latents: int, console: Console) -> list[Row]:
    """Play every arm on the same latents and compare it with the constants."""
    bundle, environment = trainer.bundle, trainer.environment
    paired = evaluation_latents(bundle, latents)
    chosen = bundle.card.chosen
    baselines = Baselines(bundle, environment, paired)
    with console.status(f"evaluating on {latents} latents"):
        episode = play(environment, paired.latents, paired.labels, _policy(trainer.actor))
        mean_actions = episode.actions.mean(dim=1)
        open_loop = play_schedule(
            environment, paired.latents, paired.labels, environment.cfg_base + mean_actions
        )
        arms = {
            "policy": judge(bundle, episode, paired.labels),
            f"rule {chosen.rule_low:g} + {chosen.rule_slope:g} (1 - p)": baselines.outcome(
                Candidate(chosen.rule_low, chosen.rule_slope)
            ),
            f"constant {chosen.constant:g}": baselines.outcome(Candidate(chosen.constant)),
            f"a = 0 (g = {environment.cfg_base:g})": baselines.outcome(
                Candidate(environment.cfg_base)
            ),
            "policy's mean per step, open loop": judge(bundle, open_loop, paired.labels),
        }
        grid = [baselines.outcome(Candidate(g)) for g in CONSTANT_GRID]
    constant = baselines.outcome(Candidate(chosen.constant))
    real = {eye: GaussianReference.of(f) for eye, f in real_features(bundle).items()}
    return [_row(name, arm, constant, grid, real, paired.labels) for name, arm in arms.items()]


def print_table(rows: list[Row], footer: dict[str, Any], console: Console) -> None:
    """Print what was compared, and how to read it."""
    table = Table(title=f"Paired over {footer['latents']} latents, 95 % intervals")
    table.add_column("")
    for row in rows:
        table.add_column(row.name, justify="right", overflow="fold")
    for label, cell in _lines():
        table.add_row(label, *(cell(row) for row in rows))
    console.print(table)
    console.print(
        "Frechet distance: lower is closer to real pictures. 'at equal accuracy': minus the "
        "constants' at the same accuracy in the same eyes; below 0 is better. * marks accuracies "
        "outside the constants' range, where the nearest constant is compared. Judges never train."
    )
    console.print(", ".join(f"{key}: {value}" for key, value in footer.items()), soft_wrap=True)


def _policy(actor: Actor) -> Callable[[int, Tensor], Tensor]:
    def act(_step: int, state: Tensor) -> Tensor:
        return actor.action_mean(state)

    return act


def _row(
    name: str,
    arm: Outcome,
    constant: Outcome,
    grid: list[Outcome],
    real: dict[str, GaussianReference],
    labels: Tensor,
) -> Row:
    equal = {
        eye: equal_accuracy_difference(_arm(arm, eye), [_arm(g, eye) for g in grid], real[eye])
        for eye in EYES
    }
    return Row(
        name=name,
        mean_return=bootstrap_mean(arm.returns),
        gain=paired_difference(arm.returns, constant.returns),
        accuracy={eye: float(arm.correct[eye].mean()) for eye in EYES},
        log_probability={eye: float(arm.log_probability[eye].mean()) for eye in EYES},
        frechet={eye: equal[eye].frechet for eye in EYES},
        equal_accuracy={eye: equal[eye].difference for eye in EYES},
        outside={eye: equal[eye].outside for eye in EYES},
        diversity=diversity(arm.features["judge_0"], labels),
        mean_guidance=float(arm.guidance.mean()),
    )


def _arm(outcome: Outcome, eye: str) -> Arm:
    return Arm(outcome.correct[eye], outcome.features[eye])


def _footer(run: RunDirectory, trainer: Trainer, latents: int) -> dict[str, Any]:
    facts = run.read_json("provenance.json")
    seconds = sum(sum(record["seconds"].values()) for record in run.metrics())
    return {
        "latents": latents,
        "parameters": facts["parameters"],
        "updates": trainer.done,
        "gradient_rule": facts["gradient_rule"],
        **(facts["backend"] or {"backend": "none (classical actor)"}),
        "training_seconds": round(seconds, 1),
    }


def _signed(interval: Interval) -> str:
    return f"{interval.estimate:+.3f}\n[{interval.low:+.3f}, {interval.high:+.3f}]"


def _equal(eye: str, row: Row) -> str:
    return _signed(row.equal_accuracy[eye]) + ("*" if row.outside[eye] > 0.05 else "")


def _lines() -> list[tuple[str, Callable[[Row], str]]]:
    """Titles and cells of the table."""
    lines: list[tuple[str, Callable[[Row], str]]] = [
        ("return", lambda row: _signed(row.mean_return)),
        ("return - constant's", lambda row: _signed(row.gain)),
        ("mean guidance", lambda row: f"{row.mean_guidance:.2f}"),
        ("diversity", lambda row: f"{row.diversity:.3f}"),
    ]
    for eye in EYES:
        lines.append((f"{TITLES[eye]} accuracy", partial(_number, "accuracy", eye)))
        lines.append((f"{TITLES[eye]} log p", partial(_number, "log_probability", eye)))
        lines.append((f"{TITLES[eye]} Frechet", partial(_number, "frechet", eye)))
        lines.append(("  at equal accuracy", partial(_equal, eye)))
    return lines


def _number(field: str, eye: str, row: Row) -> str:
    values: dict[str, float] = getattr(row, field)
    return f"{values[eye]:.3f}"
