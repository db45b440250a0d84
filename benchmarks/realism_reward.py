"""What a reward that prices realism leaves to learn: its head-room table.

    python -m benchmarks.realism_reward [FOLDER]

The reward of the default charges guidance, because too much of it makes pictures unreal. With
`environment.reward.realism` it asks about reality itself: a frozen discriminator's logit, the log
density ratio of real against generated, is added to the capped log p of the wanted class
(`diffusion.discriminator`). It sees the last features of AlexNet, which neither the proxy nor a
judge shares; in this table AlexNet is therefore not held out, and the two judges decide.

For every weight of the logit, the best constant, the best rule on the proxy's confidence p and the
best rule on the discriminator's own answer are chosen on 400 latents; greedy feedback has nothing
to choose. They play the evaluation's 2,000: return over the best constant, and Frechet distance
minus the constants' at equal log p in every eye. The constant that is best for each latent in
hindsight, on the 400, bounds what choosing one constant per picture can bring. What was played is
kept in FOLDER (`runs-realism`, which git ignores), so the script can be stopped. Writes
realism_reward.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.timing import significant, significant_interval, write_result
from diffusion.comparison import bootstrap_difference, resample_counts
from diffusion.discriminator import Discriminator, discriminator_facts, load_discriminator
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, play
from diffusion.greedy import Greedy
from diffusion.headroom import Candidate, play_candidate
from diffusion.refinement import Point, refine
from diffusion.rewards import REALISM_REWARD
from qhw.config import PRESETS, merge, parse_config
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.beside_constants import BesideConstants, beside_constants
from qhw.evaluation.choices import CHOOSING_SEED
from qhw.evaluation.judges import Judges, Outcome, PairedLatents, evaluation_latents
from qhw.threads import one_thread
from qhw.training.player import Player

WEIGHTS = (0.05, 0.2)
"""Of the discriminator's logit, beside a log p of weight 1."""
CHOOSING, LATENTS, RESAMPLES = 400, 2000, 1000
CONSTANTS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
RULES = [(low, slope) for low in (0.5, 1.0, 1.5) for slope in (0.0, 1.5, 4.0)]
BOUNDS = ((-1.0, 4.0), (0.0, 13.0))

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """A way of guiding, and how it plays."""

    name: str
    play: Callable[[Tensor, Tensor], Episode]


class Arms:
    """Ways of guiding in one environment."""

    def __init__(self, environment: GuidanceEnvironment, discriminator: Discriminator) -> None:
        self.environment = environment.widened()
        self._discriminator = discriminator
        self._greedy = Greedy.over_range(environment, 0.0)

    def constant(self, point: Point) -> Arm:
        """One guidance for all."""
        (guidance,) = point
        return self._candidate(f"constant {guidance:g}", Candidate(guidance))

    def by_confidence(self, point: Point) -> Arm:
        """Rule on the proxy's confidence: g = lo + k (1 - p)."""
        low, slope = point
        return self._candidate(f"rule {low:g} + {slope:g} (1 - p)", Candidate(low, slope))

    def by_realism(self, point: Point) -> Arm:
        """Rule on the discriminator's probability d that a picture is real: g = lo + k (1 - d)."""
        rule = Candidate(*point)

        def act(_step: int, _state: Tensor) -> Tensor:
            return rule.guidance(self._realism().sigmoid()) - self.environment.cfg_base

        name = f"rule {rule.low:g} + {rule.slope:g} (1 - d)"
        return Arm(name, lambda x, y: play(self.environment, x, y, act))

    def greedy(self) -> Arm:
        """Every step takes the scale whose predicted picture has the largest return."""
        return Arm("greedy", lambda x, y: self._greedy.play(self.environment, x, y))

    def _candidate(self, name: str, candidate: Candidate) -> Arm:
        return Arm(name, lambda x, y: play_candidate(self.environment, candidate, x, y))

    def _realism(self) -> Tensor:
        labels = self.environment.tensors()["labels"]
        ratio: Tensor = self._discriminator(self.environment.foreseen_images(1.0), labels)
        return ratio


@dataclass(frozen=True)
class Final:
    """What an arm made of the evaluation's latents: (N,) each, and what the eyes say."""

    returns: FloatArray
    log_ratio: FloatArray
    outcome: Outcome


class HeadRoom:
    """Everything that one weight of the discriminator's logit comes to."""

    def __init__(
        self,
        player: Player,
        weight: float,
        constants: dict[str, BesideConstants],
        paired: PairedLatents,
        folder: Path,
    ) -> None:
        reward = replace(REALISM_REWARD, realism=weight)
        self._discriminator = load_discriminator(player.bundle)
        self.arms = Arms(replace(player.environment, reward=reward), self._discriminator)
        self._reward, self._constants, self._folder = reward, constants, folder
        self._own = evaluation_latents(player.bundle, CHOOSING, CHOOSING_SEED)
        self._paired, self._judges = paired, Judges(player.bundle)

    def table(self) -> dict[str, Any]:
        """Every arm beside the best constant."""
        arms = [
            self.arms.constant(self._chosen_constant),
            self.arms.by_confidence(self._chosen(self.arms.by_confidence)),
            self.arms.by_realism(self._chosen(self.arms.by_realism)),
            self.arms.greedy(),
        ]
        finals = {arm.name: self._final(arm) for arm in arms}
        beside = finals[arms[0].name].returns
        rows = {name: self._row(final, beside) for name, final in finals.items()}
        return {"arms": rows, "hindsight, one constant per picture, on 400": self._hindsight()}

    @cached_property
    def _chosen_constant(self) -> Point:
        return self._best(self.arms.constant, [(g,) for g in CONSTANTS], (0.25,), BOUNDS[:1])

    def _chosen(self, arm: Callable[[Point], Arm]) -> Point:
        return self._best(arm, RULES, (0.25, 1.0), BOUNDS)

    def _best(
        self,
        arm: Callable[[Point], Arm],
        tried: Sequence[Point],
        steps: Point,
        bounds: Sequence[tuple[float, float]],
    ) -> Point:
        def score(point: Point) -> float:
            return float(self._returns(arm(point)).mean())

        return refine(score, max(tried, key=score), steps, bounds)

    def _hindsight(self) -> list[float]:
        grid = np.stack([self._returns(self.arms.constant((g,))) for g in CONSTANTS])
        best = self._returns(self.arms.constant(self._chosen_constant))
        return significant_interval(bootstrap_difference(grid.max(axis=0), best))

    def _returns(self, arm: Arm) -> FloatArray:
        """Returns (N,) on the choosing latents; an arm without a reward in it is played once."""
        path = self._folder / f"{arm.name}.safetensors"
        if not path.exists():
            episode = arm.play(self._own.latents, self._own.labels)
            log_ratio = self._discriminator(episode.images, self._own.labels)
            save_file({"log_p": episode.log_probability, "log_ratio": log_ratio}, path)
        parts = load_file(path)
        paid = self._reward.terminal(parts["log_p"])
        return _array(paid + self._reward.realism * parts["log_ratio"])

    def _final(self, arm: Arm) -> Final:
        """Play the evaluation's latents."""
        episode = arm.play(self._paired.latents, self._paired.labels)
        return Final(
            _array(episode.returns),
            _array(episode.terms["realism"] / self._reward.realism),
            self._judges.judge(episode, self._paired.labels),
        )

    def _row(self, final: Final, beside: FloatArray) -> dict[str, Any]:
        outcome, eyes = final.outcome, {}
        for eye, constants in self._constants.items():
            compared = constants.compare(outcome)
            eyes[eye] = {
                "accuracy": significant(float(outcome.scores[eye].arm.correct.mean())),
                "Frechet": significant(compared.frechet),
                "minus constants at equal log p": significant_interval(compared.difference),
                "resolution": significant(constants.resolution),
            }
        return {
            "return": significant(float(final.returns.mean())),
            "minus the best constant's": significant_interval(
                bootstrap_difference(final.returns, beside)
            ),
            "log real/generated": significant(float(final.log_ratio.mean())),
            "mean guidance": significant(float(outcome.guidance.mean())),
            "eyes": eyes,
        }


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.double().numpy()
    return array


@one_thread()
def main() -> None:
    """One table per weight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-realism"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    noiseless = {"backend": {"name": "aer"}}
    player = Player(parse_config(merge(PRESETS["realism"], noiseless)))
    default = Player(parse_config(noiseless))
    paired = evaluation_latents(player.bundle, LATENTS)
    constants = beside_constants(
        Baselines.of(default, Judges(player.bundle), paired), resample_counts(LATENTS, RESAMPLES, 0)
    )
    accuracy = float(discriminator_facts(player.bundle)["accuracy"])
    result: dict[str, Any] = {"discriminator's accuracy on unseen pictures": accuracy}
    for weight in WEIGHTS:
        room = HeadRoom(player, weight, constants, paired, folder)
        result[f"min(log p, log .9) + {weight:g} log real/generated"] = room.table()
        write_result(__file__, result)


if __name__ == "__main__":
    main()
