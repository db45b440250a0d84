"""What a trained controller uses of its state, and whether one more feature raises its return.

    python -m benchmarks.state_features [FOLDER] [--seeds 3]

Two questions about the state. Which of the paper's six features does the trained ring use: the
return it loses where one column is another image's (`qhw.evaluation.permutation`). And does a
seventh help: the ring is trained anew with each of the optional features beside the six, seed by
seed, and plays the evaluation's latents as `benchmarks.seeds` has them. Its runs of the six are
taken from FOLDER (`runs-seeds`, which git ignores), or trained there first. Resumable; the result
is written after the first part and after every seed of the second, to state_features.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.seeds import (
    NO_TABLE,
    RING,
    outcome_of,
    outcome_under,
    return_difference,
    trained,
)
from benchmarks.timing import significant, significant_interval, write_result
from diffusion.comparison import Interval
from diffusion.state_features import PAPER_FEATURES, STATE_FEATURES
from qhw.evaluation.judges import Outcome, evaluation_latents
from qhw.evaluation.permutation import permutation_losses
from qhw.threads import one_thread
from qhw.training.player import Player

SEEDS, PERMUTED = 3, 1000
OPTIONAL = tuple(name for name in STATE_FEATURES if name not in PAPER_FEATURES)


def with_one_more(folder: Path, feature: str, seed: int) -> Outcome:
    """Train the ring on the paper's features and one more, and play it, or recall what it did."""
    changed = {"state": {"features": [*PAPER_FEATURES, feature]}}
    return outcome_under(folder, f"with {feature}", seed, changed)


def permuted(folder: Path, seed: int) -> dict[str, Interval]:
    """What a ring of the six features loses where one is another image's."""
    player = Player.of(trained(folder, f"{RING}-{seed}", {"seed": seed, **NO_TABLE}))
    return dict(permutation_losses(player, evaluation_latents(player.bundle, PERMUTED)))


def losses_over_seeds(found: list[dict[str, Interval]]) -> dict[str, Any]:
    """Mean loss of every feature, and what it was in each seed."""
    return {
        name: {
            "mean": significant(float(np.mean([loss[name].estimate for loss in found]))),
            "by seed": [significant_interval(loss[name]) for loss in found],
        }
        for name in PAPER_FEATURES
    }


@one_thread()
def main() -> None:
    """The six permuted in every seed, then each of the optional ones added, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-seeds"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    folder, seeds = arguments.folder, range(arguments.seeds)
    base = [outcome_of(folder, RING, seed) for seed in seeds]
    lost = losses_over_seeds([permuted(folder, seed) for seed in seeds])
    result: dict[str, Any] = {"return lost where a feature is another image's": lost}
    write_result(__file__, result)
    more: dict[str, list[Outcome]] = {feature: [] for feature in OPTIONAL}
    for seed in seeds:
        for feature in OPTIONAL:
            more[feature].append(with_one_more(folder, feature, seed))
        gains = {name: return_difference(outcomes, base) for name, outcomes in more.items()}
        gained = {name: gain.record for name, gain in gains.items()}
        write_result(
            __file__,
            {**result, "seeds": seed + 1, "return gained by one more feature": gained},
        )


if __name__ == "__main__":
    main()
