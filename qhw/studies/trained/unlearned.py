"""Guidance that learns nothing, beside trained controllers on the same latents.

Numbers of constants, rules, schedules and published methods are chosen on latents of their own, for
the setting at hand, and recalled. Two more take a controller's own guidance without its sight: its
mean at every step (open loop), and another latent's (shuffled).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from diffusion.episodes import play_schedule
from qhw.evaluation.baselines import Baselines, read_outcome, write_outcome
from qhw.evaluation.beside_baselines import shuffled
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.runs.directory import RunDirectory
from qhw.studies.trained.outcomes import outcome_path
from qhw.threads import for_pictures
from qhw.training.player import Player

OPEN_LOOP, SHUFFLED = "the ring's mean, open loop", "the ring's on another latent, shuffled"
BLIND: dict[str, Callable[[Tensor], Tensor]] = {
    OPEN_LOOP: lambda guidance: guidance.mean(dim=1),
    SHUFFLED: shuffled,
}
"""From a controller's guidance (T, N) to guidance without sight, by the arm's name."""


def without_sight(run: RunDirectory, latents: int) -> dict[str, Outcome]:
    """A run's own guidance, replayed where it does not look."""
    paths = {name: outcome_path(run, latents, name.rpartition(" ")[2]) for name in BLIND}
    if not all(path.exists() for path in paths.values()):
        with for_pictures():
            player = Player.of(run)
            paired, judges = evaluation_latents(player.bundle, latents), Judges(player.bundle)
            guidance = play_policy(player, paired, "study").guidance
            for name, blind in BLIND.items():
                episode = play_schedule(
                    player.environment, paired.latents, paired.labels, blind(guidance)
                )
                write_outcome(paths[name], judges.judge(episode, paired.labels), run.name)
    return {name: read_outcome(path) for name, path in paths.items()}


def by_hand(run: RunDirectory, latents: int, tell: Callable[[str], None]) -> dict[str, Outcome]:
    """The best constant and rule, greedy feedback, schedules and published methods, by name."""
    player = Player.of(run)
    paired, judges = evaluation_latents(player.bundle, latents), Judges(player.bundle)
    baselines = Baselines.of(player, judges, paired, tell)
    with for_pictures():
        named = (
            *(baselines.constant(), baselines.rule(), baselines.greedy(), baselines.base()),
            *(*baselines.schedules(), *baselines.published()),
        )
    return {arm.name: arm.outcome for arm in named}
