"""What trained controllers came to on the common latents, kept beside their runs."""

from __future__ import annotations

from pathlib import Path

from qhw.evaluation.baselines import read_outcome, write_outcome
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.runs.directory import RunDirectory
from qhw.threads import for_pictures
from qhw.training.player import Player


def outcome_path(run: RunDirectory, latents: int) -> Path:
    """Where a run's outcome on so many latents is kept."""
    return run.path / "outcomes" / f"{latents}.safetensors"


def outcome_of(run: RunDirectory, latents: int) -> Outcome:
    """Recall what a finished run came to, or play it.

    Raises:
        BundleError: If the file is damaged.
        CheckpointError: If the run has no weights.
    """
    path = outcome_path(run, latents)
    if not path.exists():
        with for_pictures():
            write_outcome(path, _played(run, latents), run.name)
    return read_outcome(path)


def _played(run: RunDirectory, latents: int) -> Outcome:
    player = Player.of(run)
    paired = evaluation_latents(player.bundle, latents)
    episode = play_policy(player, paired, "study")
    return Judges(player.bundle).judge(episode, paired.labels)
