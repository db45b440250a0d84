"""Guidance that needs no training, tuned and played under the default settings: returns and costs.

    python -m benchmarks.untrained_guidance [LATENTS]

The constant, the confidence rule and greedy feedback, then the published methods of
`qhw evaluate --full`, on the same latents (2,000 by default). What was tuned or played before is
recalled from the user's cache and costs nothing: XDG_CACHE_HOME gives an empty one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

import torch

from benchmarks.timing import significant, significant_interval, write_result
from diffusion.comparison import bootstrap_difference
from qhw.config import parse_config
from qhw.evaluation.baselines import Baselines, NamedOutcome
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.files import Cache
from qhw.threads import one_thread
from qhw.training.parts import make_environment, open_bundle

LATENTS = 2000


def default_baselines(latents: int) -> Baselines:
    """What a run of the default settings is compared with."""
    config = parse_config({}).environment
    bundle = open_bundle(config.bundle)
    environment = make_environment(config, bundle, torch.device("cpu"))
    paired = evaluation_latents(bundle, latents)
    return Baselines(bundle, Judges(bundle), environment, paired, Cache.of_user().baselines)


def described(row: NamedOutcome, constant: NamedOutcome) -> dict[str, object]:
    """One arm beside the best constant."""
    gain = bootstrap_difference(row.outcome.returns, constant.outcome.returns)
    return {
        "return, minus the best constant's": significant_interval(gain),
        "mean guidance": significant(float(row.outcome.guidance.mean())),
        "Frechet": {eye: significant(s.arm.distance) for eye, s in row.outcome.scores.items()},
    }


@one_thread()
def main() -> None:
    """Play them all, one after the other."""
    baselines = default_baselines(int(sys.argv[1]) if len(sys.argv) > 1 else LATENTS)
    constant = baselines.constant()
    parts: dict[str, Callable[[], Iterable[NamedOutcome]]] = {
        "constant and rule": lambda: [constant, baselines.rule()],
        "greedy feedback": lambda: [baselines.greedy()],
        "published": baselines.published,
    }
    arms, seconds = {}, {}
    for name, part in parts.items():
        started = time.process_time()
        arms.update({row.name: described(row, constant) for row in part()})
        seconds[name] = significant(time.process_time() - started)
    write_result(
        __file__,
        {
            "latents": len(baselines.paired.labels),
            "CPU seconds, tuning and playing": seconds,
            "arms": arms,
        },
    )


if __name__ == "__main__":
    main()
