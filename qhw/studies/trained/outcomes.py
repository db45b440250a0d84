"""What trained controllers came to on the common latents, kept beside their runs."""

from __future__ import annotations

from pathlib import Path

from diffusion.discriminator import discriminator_digest
from qhw.config import RunConfig
from qhw.errors import ConfigError
from qhw.evaluation.baselines import VERSION, read_outcome, write_outcome
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.playing import play_policy
from qhw.evaluation.setting import name_of
from qhw.runs.directory import RunDirectory
from qhw.studies.trained.task import DIGITS, unusual
from qhw.threads import for_pictures
from qhw.training.parts import open_bundle, open_card
from qhw.training.player import Player


def outcome_path(run: RunDirectory, latents: int, how: str = "") -> Path:
    """Where a run's outcome on so many latents is kept: of its model, its weights, this version.

    Args:
        run: The training.
        latents: How many.
        how: It played, where that was not as it was trained.
    """
    model, updates = bundle_digest(run), run.config.ppo.updates
    name = f"{latents}-{model}-{updates}-{VERSION}{how and '-' + how}.safetensors"
    return run.path / "outcomes" / name


def how_played(played: RunConfig | None) -> str:
    """A digest of settings that a run plays under, where they are others than its own."""
    return name_of(unusual(played))[:DIGITS] if played else ""


def bundle_digest(run: RunDirectory) -> str:
    """Of the model that a run was trained on.

    Raises:
        DamagedFileError: If its provenance cannot be read.
    """
    return str(run.read_json("provenance.json")["bundle"]["digest"])


def require_same_bundle(run: RunDirectory) -> None:
    """Refuse a run whose model was made anew since: arms would be of two models.

    Raises:
        ConfigError: If it was.
    """
    name = run.config.environment.bundle
    then, now = bundle_digest(run), open_card(name).digest
    judged_by = run.read_json("provenance.json")["bundle"].get("discriminator")
    if judged_by is not None and judged_by != discriminator_digest(open_bundle(name)):
        raise ConfigError(
            f"{run.name} was trained under another discriminator of the bundle {name!r}.",
            "Name another --folder for trainings under the new one.",
        )
    if then != now:
        raise ConfigError(
            f"{run.name} was trained on the bundle {name!r} as it was ({then}); now it is {now}.",
            "Name another --folder for trainings on the new one.",
        )


def outcome_of(run: RunDirectory, latents: int, played: RunConfig | None = None) -> Outcome:
    """Recall what a finished run came to, or play it.

    Args:
        run: The training.
        latents: That it plays.
        played: Settings that it plays under, where they are others than its own.

    Raises:
        BundleError: If the file is damaged.
        CheckpointError: If the run has no weights.
    """
    path = outcome_path(run, latents, how_played(played))
    if not path.exists():
        with for_pictures():
            player = Player.of(run, played)
            paired = evaluation_latents(player.bundle, latents)
            episode = play_policy(player, paired, "study")
            write_outcome(path, Judges(player.bundle).judge(episode, paired.labels), run.name)
    return read_outcome(path)
