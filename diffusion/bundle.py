"""A model bundle on disk: denoiser, proxy, two judges, reference pictures, and their card.

    card.json                what it is, how it was made, what it can do; SHA-256 of every file
    denoiser.safetensors     fp16, or eight bits where it is large
    proxy.safetensors        fp16, and judge_0, judge_1 likewise
    references.safetensors   1,000 real pictures (uint8) and their labels; or `seen.safetensors`,
                             what all eyes see in them: `diffusion.references`
    curve.csv, headroom.csv  how fitting went; what guidance can gain
    discriminator...         may lie there too, with facts of its own: `diffusion.discriminator`

A bundle that names a text-prompted model has `prompts.safetensors` in the place of the denoiser:
`diffusion.latent.description`.

Everything else is checked against the card's checksums when it is loaded. The same networks may be
used another way: a second card in the folder has its own reward, CFG_0, solver and statistics.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion.classifiers import CLASSIFIERS, Classifier
from diffusion.denoisers import PixelDenoiser
from diffusion.embedded import DEFAULT, EMBEDDED, require_whole
from diffusion.foreign.kinds import FOREIGN_KINDS
from diffusion.latent.denoiser import LatentDenoiser
from diffusion.latent.description import PROMPTS_FILE, LatentDescription, is_latent
from diffusion.noise_schedule import NoiseSchedule
from diffusion.references import FILES, References
from diffusion.rewards import RewardConfig
from diffusion.sampler import GuidedSampler
from diffusion.solvers import FIRST_SOLVER, Solver, read_solver, solver_record
from diffusion.weights import load_weights

MINIMUM_ACCURACY = 0.8
"""Of a bundle's classifiers, unless its card says which accuracy was asked for."""
CLASSIFIER_FILES = tuple(f"{name}.safetensors" for name in ("proxy", "judge_0", "judge_1"))
NETWORK_FILES = ("denoiser.safetensors", *CLASSIFIER_FILES)
"""What is trained where a bundle is fitted."""


@dataclass(frozen=True)
class RewardChoice:
    """The hand-made baselines, chosen in the proxy's eyes on latents of their own.

    Attributes:
        constant: Guidance of the best constant.
        rule_low: lo of the best confidence rule g = lo + k (1 - p).
        rule_slope: k of that rule.
    """

    constant: float
    rule_low: float
    rule_slope: float


@dataclass(frozen=True)
class BundleCard:
    """What a bundle is and how it was made.

    Attributes:
        name: The bundle's name.
        class_names: One name per class.
        denoiser: Architecture of the denoiser.
        classifiers: Kind of the proxy and of the judges, by file name.
        accuracies: Test accuracy in [0, 1], by file name.
        num_train_timesteps: Noise levels of training.
        beta_schedule: diffusers' name of the noise schedule.
        num_steps: Denoising steps of the episodes behind the choices below.
        cfg_base: CFG_0, the guidance of action 0.
        state_mean: (6,) mean of the environment's state.
        state_sd: (6,) its standard deviation.
        reward: Weights of the default reward.
        chosen: The best constant and rule under that reward.
        solver: How its pictures are sampled.
        made: Command, seeds, versions, data checksums, distances reached.
        checksums: SHA-256 by file name.
    """

    name: str
    class_names: tuple[str, ...]
    denoiser: dict[str, Any]
    classifiers: dict[str, str]
    accuracies: dict[str, float]
    num_train_timesteps: int
    beta_schedule: str
    num_steps: int
    cfg_base: float
    state_mean: tuple[float, ...]
    state_sd: tuple[float, ...]
    reward: RewardConfig
    chosen: RewardChoice
    made: dict[str, Any]
    checksums: dict[str, str]
    solver: Solver = FIRST_SOLVER

    def __post_init__(self) -> None:
        if len(self.state_mean) != 6 or len(self.state_sd) != 6 or min(self.state_sd) <= 0:
            raise ValueError(
                f"state_mean {self.state_mean} and state_sd {self.state_sd} must hold six numbers "
                "each, the latter positive: fit the bundle again"
            )
        if self.is_latent:
            LatentDescription.of(self.denoiser)
        least = self.required_accuracy
        weak = {name: acc for name, acc in self.accuracies.items() if acc < least}
        if weak:
            raise ValueError(
                f"classifiers below {least:g} test accuracy: {weak}: a reward from a "
                "classifier that guesses means nothing, fit the bundle again"
            )

    @property
    def required_accuracy(self) -> float:
        """Test accuracy below which a classifier is refused, in [0, 1]."""
        return float(self.made.get("config", {}).get("accuracy", MINIMUM_ACCURACY))

    @property
    def is_latent(self) -> bool:
        """Whether the denoiser is a text-prompted model, which the card names."""
        return is_latent(self.denoiser)

    @property
    def pictures_in(self) -> str:
        """What its pictures may be made in where a device has it: fp32, bf16 or fp16."""
        return str(
            self.denoiser["precision"] if self.is_latent else self.denoiser.get("pictures", "fp32")
        )

    @property
    def eyes_files(self) -> tuple[str, ...]:
        """What looks at pictures, and what is left of real ones."""
        pictures, features = FILES["pictures"], FILES["features"]
        return (*CLASSIFIER_FILES, features if features in self.checksums else pictures)

    @property
    def files(self) -> tuple[str, ...]:
        """Whose checksums it must hold."""
        own = PROMPTS_FILE if self.is_latent else "denoiser.safetensors"
        return (own, *self.eyes_files)

    @property
    def noise_schedule(self) -> NoiseSchedule:
        """Noise levels that the denoiser was trained on."""
        if self.is_latent:
            return LatentDescription.of(self.denoiser).schedule
        return NoiseSchedule(self.num_train_timesteps, self.beta_schedule)

    @property
    def digest(self) -> str:
        """Short digest of all weights and settings, for caches and provenance."""
        return hashlib.sha256(card_json(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle; the networks are frozen and in evaluation mode.

    Attributes:
        card: Its facts.
        denoiser: The diffusion model.
        proxy: The classifier that rewards.
        judges: Two classifiers that only report.
        references: Real pictures that no network was trained on, or their features.
        folder: Where it was read from.
    """

    card: BundleCard
    denoiser: PixelDenoiser | LatentDenoiser
    proxy: Classifier
    judges: tuple[Classifier, Classifier]
    references: References
    folder: Path

    @property
    def fitted_denoiser(self) -> PixelDenoiser:
        """The denoiser of a bundle that was fitted.

        Raises:
            ValueError: If it is a text-prompted model.
        """
        if isinstance(self.denoiser, LatentDenoiser):
            raise ValueError(
                f"{self.card.name} names a text-prompted model, which was not fitted here: "
                "`qhw models calibrate` measures it again"
            )
        return self.denoiser

    def sampler(self, num_steps: int, solver: Solver | None = None) -> GuidedSampler:
        """A sampler with the noise schedule of training, and the card's solver if none is given."""
        card = self.card
        return GuidedSampler(
            self.denoiser,
            num_steps,
            card.noise_schedule,
            clip_sample=not card.is_latent,
            solver=solver or card.solver,
        )


def load_bundle(path: Path | None = None) -> Bundle:
    """Load a bundle by its folder, or by one of the cards in it; without a path, the default.

    Raises:
        FileNotFoundError: If there is no card.
        ValueError: If a file's checksum differs from the card's, or a classifier is too weak.
    """
    path = path or EMBEDDED[DEFAULT]
    card, folder = read_card(path), path if path.is_dir() else path.parent
    require_whole(folder, card.checksums)
    missing = sorted(set(card.files) - set(card.checksums))
    if missing:
        raise ValueError(f"the card has no checksum of {', '.join(missing)}: fit the bundle again")
    return Bundle(
        card=card,
        denoiser=_load_denoiser(folder, card),
        proxy=_load_classifier(folder, card, "proxy"),
        judges=(
            _load_classifier(folder, card, "judge_0"),
            _load_classifier(folder, card, "judge_1"),
        ),
        references=References.load(folder, card.eyes_files[-1]),
        folder=folder,
    )


def read_card(path: Path) -> BundleCard:
    """Read a bundle's card, by its folder or its own name, without the weights.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not a card.
    """
    path = path if path.suffix == ".json" else path / "card.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    try:
        values["reward"] = RewardConfig(**values["reward"])
        values["chosen"] = RewardChoice(**values["chosen"])
        values["solver"] = read_solver(values.get("solver", {}))
        for field in ("class_names", "state_mean", "state_sd"):
            values[field] = tuple(values[field])
        return BundleCard(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a bundle's card: {error}") from error


def card_json(card: BundleCard) -> str:
    """Render a card as JSON.

    A solver that the first cards did not know of is left out at its default: their digests stay.
    """
    fields = {**dataclasses.asdict(card), "reward": card.reward.record()}
    del fields["solver"]
    if card.solver != FIRST_SOLVER:
        fields["solver"] = solver_record(card.solver)
    return json.dumps(fields, indent=2) + "\n"


def _load_denoiser(folder: Path, card: BundleCard) -> PixelDenoiser | LatentDenoiser:
    if card.is_latent:
        return LatentDescription.of(card.denoiser).open(folder)
    architecture = PixelDenoiser.from_description(card.denoiser)
    denoiser = load_weights(architecture, folder / "denoiser.safetensors")
    denoiser.make_in(None)
    return denoiser


def _load_classifier(folder: Path, card: BundleCard, name: str) -> Classifier:
    kind, path = card.classifiers[name], folder / f"{name}.safetensors"
    if kind in FOREIGN_KINDS:
        return FOREIGN_KINDS[kind](path)
    channels = int(card.denoiser["image_channels"])
    return load_weights(CLASSIFIERS[kind](len(card.class_names), channels), path)
