"""Which solver makes the better pictures at equal cost, in every eye?

    python -m benchmarks.solvers

The default bundle's networks, 10 steps, constants 1, 1.5 and 2, the same 1,000 latents. An eye's
entry is its accuracy and the Frechet distance to real pictures in its features.
"""

from __future__ import annotations

import torch

from benchmarks.timing import significant, write_result
from diffusion.bundle import Bundle, load_bundle
from diffusion.environment import GuidanceEnvironment
from diffusion.headroom import Candidate, play_candidate
from diffusion.solvers import Ddim, DpmSolver, Solver
from qhw.evaluation.judges import Judges, evaluation_latents

LATENTS, STEPS, SEED = 1000, 10, 5555
CONSTANTS = (1.0, 1.5, 2.0)
SOLVERS: dict[str, Solver] = {
    "DDIM, leading": Ddim(),
    "DDIM, trailing": Ddim("trailing"),
    "DPM-Solver++ 2M, 980 to 20": DpmSolver(),
}


def seen(bundle: Bundle, judges: Judges, solver: Solver, guidance: float) -> dict[str, str]:
    """Accuracy and Frechet distance of every eye."""
    card = bundle.card
    environment = GuidanceEnvironment(
        bundle.sampler(STEPS, solver), bundle.proxy, card.reward, card.cfg_base
    )
    paired = evaluation_latents(bundle, LATENTS, SEED)
    episode = play_candidate(
        environment.widened(), Candidate(guidance), paired.latents, paired.labels
    )
    scores = judges.judge(episode, paired.labels).scores
    return {
        eye: f"{score.arm.correct.mean():.3f} / {significant(score.arm.distance)}"
        for eye, score in scores.items()
    }


def main() -> None:
    torch.set_num_threads(1)
    bundle = load_bundle()
    judges = Judges(bundle)
    result = {
        name: {f"constant {g:g}": seen(bundle, judges, solver, g) for g in CONSTANTS}
        for name, solver in SOLVERS.items()
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
