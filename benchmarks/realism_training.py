"""What PPO makes of a reward that prices realism instead of guidance.

    python -m benchmarks.realism_training [FOLDER] [--seeds 5]

The settings are those of `qhw train --preset realism`: min(log p, log .9) plus .2 times a frozen
discriminator's log density ratio of real against generated, of the final picture; guidance costs
nothing, and CFG_0 = 2. Trained are the ring under a device's noise and the classical network of as
many parameters. They play the evaluation's 2,000 latents beside the best constant, the best rule on
p and greedy search, chosen under this reward on latents of their own, and stand beside constants of
their own log p in every eye. The discriminator sees AlexNet's features: the two judges are what is
held out. The head-room table is `benchmarks.realism_reward`.

Seeds are the unit; intervals are those of `benchmarks.seeds`. Resumable seed by seed in FOLDER
(`runs-realism`, which git ignores), about six CPU minutes each. Writes realism_training.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.seeds import of_eye, outcome_under, return_difference, returns_of
from benchmarks.timing import significant, write_result
from diffusion.comparison import resample_counts
from qhw.config import PRESETS, merge, parse_config
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.beside_constants import BesideConstants, beside_constants
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.threads import one_thread
from qhw.training.player import Player

SEEDS, LATENTS, RESAMPLES = 5, 2000, 1000
REALISM = PRESETS["realism"]
CONTROLLERS: dict[str, dict[str, Any]] = {
    "ring": {},
    "matched MLP": {"actor": {"kind": "mlp_matched"}},
}
"""What differs in the settings, by the name in the result."""


def outcome_of(folder: Path, name: str, seed: int) -> Outcome:
    """A controller's outcome after its training."""
    return outcome_under(folder, f"realism {name}", seed, merge(REALISM, CONTROLLERS[name]))


def hand_made() -> tuple[dict[str, Outcome], dict[str, BesideConstants]]:
    """The constant, the rule and greedy search by their names, and the constants in every eye."""
    player = Player(parse_config(merge(REALISM, {"backend": {"name": "aer"}})))
    paired = evaluation_latents(player.bundle, LATENTS)
    baselines = Baselines.of(player, Judges(player.bundle), paired)
    arms = (baselines.constant(), baselines.rule(), baselines.greedy())
    constants = beside_constants(baselines, resample_counts(LATENTS, RESAMPLES, 0))
    return {arm.name: arm.outcome for arm in arms}, constants


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
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-realism"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    made, constants = hand_made()
    done: dict[str, list[Outcome]] = {name: [] for name in CONTROLLERS}
    for seed in range(arguments.seeds):
        for name in CONTROLLERS:
            done[name].append(outcome_of(arguments.folder, name, seed))
        arms = {**done, **{name: [outcome] for name, outcome in made.items()}}
        rows = {name: row(outcomes, made, constants) for name, outcomes in arms.items()}
        ring_less = return_difference(done["ring"], done["matched MLP"]).record
        write_result(__file__, {"arms": rows, "ring minus matched MLP": ring_less})


if __name__ == "__main__":
    main()
