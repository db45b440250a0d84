"""Whether other settings of PPO bring the ring closer to greedy feedback.

    python -m benchmarks.ppo_settings VARIANT SEED [FOLDER]

Trains the ring under the default settings with one thing changed, plays it as `benchmarks.seeds`
does, and adds the mean return of the first 1,000 latents to ppo_settings.json. Nothing changed is
the variant `default`. Seeds scatter by about .007, so single seeds tell only what is far from the
rest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.seeds import outcome_under
from benchmarks.timing import write_result
from qhw.threads import one_thread

LATENTS = 1000
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no entropy bonus": {"entropy": 0.0},
    "gae_lambda 1": {"gae_lambda": 1.0},
    "groups of two": {"group": 2},
    "actor_rate 5e-3": {"actor_rate": 5e-3},
    "12 epochs, clip .2": {"epochs": 12, "clip": 0.2},
    "180 updates": {"updates": 180},
}
"""What differs in `[ppo]`, by the name in the result."""


def mean_return(folder: Path, variant: str, seed: int) -> float:
    """Train it, or go on with it, and play it."""
    outcome = outcome_under(folder, variant, seed, {"ppo": VARIANTS[variant]})
    return float(outcome.returns[:LATENTS].mean())


@one_thread()
def main() -> None:
    """Train one variant with one seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-seeds"))
    arguments = parser.parse_args()
    path = Path(__file__).with_suffix(".json")
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    found = mean_return(arguments.folder, arguments.variant, arguments.seed)
    row = {**kept.get(arguments.variant, {}), str(arguments.seed): round(found, 4)}
    write_result(__file__, {**kept, arguments.variant: row})


if __name__ == "__main__":
    main()
