"""What PPO makes of a reward that prices realism instead of guidance.

    python -m benchmarks.realism_training DATA [FOLDER] [--seeds 5]

The reward is that of `benchmarks.realism_reward`, whose head-room table comes first: min(log p,
log .9) plus .2 times a frozen discriminator's log density ratio of real against generated, of the
final picture; guidance costs nothing. Trained are the ring under a device's noise and the classical
network of as many parameters, with the settings of the default but for CFG_0 = 2, so that actions
reach from 1 to 4. They play the evaluation's 2,000 latents beside the best constant, the best rule
on p and greedy search, whose numbers were chosen there, and stand beside constants of their own log
p in every eye. The discriminator sees AlexNet's features: the two judges are what is held out.

Seeds are the unit; intervals are those of `benchmarks.seeds`. Resumable seed by seed in FOLDER
(`runs-realism`, which git ignores), about six CPU minutes each. Writes realism_training.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.discriminator import Discriminator
from benchmarks.realism_reward import LATENTS, RESAMPLES, Arm, Arms, Reward, discriminator_of
from benchmarks.seeds import of_eye, path_of, return_difference, returns_of
from benchmarks.timing import significant, write_result
from diffusion.comparison import resample_counts
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode
from diffusion.rewards import RewardConfig
from qhw.config import RunConfig, parse_config
from qhw.evaluation.baselines import Baselines, read_outcome, write_outcome
from qhw.evaluation.beside_constants import BesideConstants, beside_constants
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.threads import one_thread
from qhw.training.player import Player
from qhw.training.trainer import Trainer

WEIGHT, SEEDS = 0.2, 5
CONTROLLERS: dict[str, dict[str, Any]] = {
    "ring": {},
    "matched MLP": {"actor": {"kind": "mlp_matched"}},
}
"""What differs in the settings, by the name in the result."""
BASE = {"cfg_base": 2.0}
CONSTANT, RULE = (2.11,), (0.96, 3.99)
"""As `realism_reward.json` has them, chosen on 400 other latents."""
NO_PRICE = RewardConfig(beta=0.0, lambda_guidance=0.0)


@dataclass(eq=False, repr=False)
class RealismEnvironment(GuidanceEnvironment):
    """The same, whose last step is also paid for how real the final picture looks."""

    realism: Reward | None = None

    def _terms(self, guidance: Tensor, gain: Tensor, done: bool) -> dict[str, Tensor]:
        terms = super()._terms(guidance, gain, done)
        if done and self.realism is not None:
            ratio = self.realism.discriminator.of(self._images, self._labels)
            terms["terminal"] = terms["terminal"] + self.realism.weight * ratio
        return terms


def realistic(environment: GuidanceEnvironment, reward: Reward) -> RealismEnvironment:
    """An environment under this reward, otherwise the same."""
    kept = {each.name: getattr(environment, each.name) for each in fields(environment)}
    return RealismEnvironment(**{**kept, "reward": NO_PRICE}, realism=reward)


class Realism:
    """Controllers trained under the reward, and arms that need no training, on the same latents.

    Attributes:
        folder: Where outcomes are kept.
    """

    def __init__(self, player: Player, discriminator: Discriminator, folder: Path) -> None:
        self.folder = folder
        self._reward = Reward(discriminator, WEIGHT)
        self._player = player
        self._paired = evaluation_latents(player.bundle, LATENTS)

    def trained(self, name: str, seed: int) -> Outcome:
        """A controller's outcome after its training."""

        def play() -> Episode:
            config = settings(CONTROLLERS[name], seed)
            trainer = Trainer(config)
            player = trainer.player
            player.environment = realistic(player.environment, self._reward)
            for _ in range(config.ppo.updates):
                trainer.advance()
            return play_policy(player, self._paired, "realism")

        return self._kept(path_of(self.folder, name, seed), play)

    def hand_made(self) -> dict[str, Outcome]:
        """The constant, the rule and greedy search, by their names in the result."""
        environment = realistic(self._player.environment, self._reward)
        arms = Arms(environment, self._reward)
        chosen = arms.constant(CONSTANT), arms.by_confidence(RULE), arms.greedy()
        return {arm.name: self._played(arm) for arm in chosen}

    def _played(self, arm: Arm) -> Outcome:
        path = path_of(self.folder, arm.name.split()[0], 0)
        return self._kept(path, lambda: arm.play(self._paired.latents, self._paired.labels))

    def _kept(self, path: Path, play: Callable[[], Episode]) -> Outcome:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            outcome = Judges(self._player.bundle).judge(play(), self._paired.labels)
            write_outcome(path, outcome, path.stem)
        return read_outcome(path)


def settings(changed: dict[str, Any], seed: int) -> RunConfig:
    """Of a training."""
    return parse_config({"seed": seed, "environment": BASE, **changed})


def row(
    outcomes: list[Outcome], made: dict[str, Outcome], constants: dict[str, BesideConstants]
) -> dict[str, Any]:
    """One arm's figures over its seeds, beside every hand-made arm."""
    means = returns_of(outcomes).mean(axis=1)
    return {
        "seeds": len(outcomes),
        "return": significant(float(means.mean())),
        "by seed": [significant(float(mean)) for mean in means],
        "mean guidance": significant(float(np.mean([o.guidance.mean() for o in outcomes]))),
        "return minus": {
            name: return_difference(outcomes, [other]).record for name, other in made.items()
        },
        "eyes": {
            eye: {**of_eye(outcomes, beside), "resolution": significant(beside.resolution)}
            for eye, beside in constants.items()
        },
    }


@one_thread()
def main() -> None:
    """Train seed by seed; write after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-realism"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    player = Player(parse_config({"backend": {"name": "aer"}}))
    discriminator, _ = discriminator_of(player, arguments.data, arguments.folder)
    found = Realism(player, discriminator, arguments.folder)
    baselines = Baselines.of(
        player, Judges(player.bundle), evaluation_latents(player.bundle, LATENTS)
    )
    constants = beside_constants(baselines, resample_counts(LATENTS, RESAMPLES, 0))
    made = found.hand_made()
    done: dict[str, list[Outcome]] = {name: [] for name in CONTROLLERS}
    for seed in range(arguments.seeds):
        for name in CONTROLLERS:
            done[name].append(found.trained(name, seed))
        arms = {**done, **{name: [outcome] for name, outcome in made.items()}}
        rows = {name: row(outcomes, made, constants) for name, outcomes in arms.items()}
        ring_less = return_difference(done["ring"], done["matched MLP"]).record
        write_result(__file__, {"arms": rows, "ring minus matched MLP": ring_less})


if __name__ == "__main__":
    main()
