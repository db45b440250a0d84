"""Put a bundle together: measure trained networks, choose reward and CFG_0, write its files.

It can be done again without training: what is measured follows from the weights alone.
"""

from __future__ import annotations

import csv
import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion import headroom
from diffusion.bundle import NETWORK_FILES, Bundle, BundleCard, card_json, load_bundle
from diffusion.classifiers import Classifier
from diffusion.datasets import Dataset, shrink
from diffusion.denoisers import PixelDenoiser
from diffusion.embedded import sha256
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.imagenet_features import ImageNetFeatures
from diffusion.metrics import FloatArray, GaussianReference
from diffusion.model_card import model_card
from diffusion.noise_schedule import FITTED_SCHEDULE
from diffusion.optimisation import Report
from diffusion.precision import Precision
from diffusion.realism import Realism, all_eyes, realism, see
from diffusion.references import ALEXNET, FILES, Kept, References
from diffusion.rewards import RewardConfig
from diffusion.sampler import GuidedSampler
from diffusion.solvers import DpmSolver
from diffusion.weights import load_weights

REQUIRED_ACCURACY = 0.88
"""Of every classifier, unless a fit asks for another."""
HEADROOM_SEED, CURVE_SEED, REALISM_SEED, EXPLORING_SEED = 777_000, 888_000, 666_000, 999_000
EXPLORED = 500
"""Latents that state statistics are taken on."""
REFERENCES = 1000
SOLVER = DpmSolver()
WEAK_GUIDANCE = (1.0, 1.25, 1.5)
"""Constants whose pictures are compared with real ones, beside the best constant's."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class FitConfig:
    """How a bundle is made.

    Attributes:
        image_size: Height and width of the pictures.
        denoiser_minutes: For the denoiser; CPU-minutes, on a GPU minutes.
        classifier_minutes: For each of the three classifiers.
        headroom_latents: Latents of the head-room table; half choose, half compare.
        curve_latents: Latents of the training curve.
        realism_latents: Pictures compared with as many real ones, half the test pictures at most.
        num_steps: Denoising steps of every picture.
        denoiser_pictures: Pictures that the denoiser sees, instead of minutes.
        classifier_pictures: Those that each classifier sees, likewise.
        precision: What networks are trained with. ``bf16`` is for processors that compute with it
            (``avx512_bf16``): elsewhere it is emulated, many times slower.
        accuracy: Test accuracy that every classifier must reach, in (0, 1].
        seed: Seed of everything random.
        references: What of the real pictures stays in the bundle: some of them, or features.
        start_from: Digest of the bundle whose weights training goes on from.
        mirror: Whether the denoiser sees half of the pictures mirrored.
    """

    image_size: int = 28
    denoiser_minutes: float = 50.0
    classifier_minutes: float = 6.0
    headroom_latents: int = 1000
    curve_latents: int = 500
    realism_latents: int = 2000
    num_steps: int = 10
    denoiser_pictures: int | None = None
    classifier_pictures: int | None = None
    precision: Precision = "fp32"
    accuracy: float = REQUIRED_ACCURACY
    seed: int = 0
    references: Kept = "pictures"
    start_from: str | None = None
    mirror: bool = False


@dataclass(frozen=True)
class Fit:
    """A bundle in the making.

    Attributes:
        dataset: Pictures, of the size of the bundle.
        out: The bundle's folder; unfinished training lies in `work` below it.
        config: Budgets and seeds.
        report: Prints a line of progress.
        device: Where networks are trained and pictures are made.
        start: A bundle of these data whose denoiser is trained further, and whose classifiers are
            taken as they are.
    """

    dataset: Dataset
    out: Path
    config: FitConfig
    report: Report
    device: torch.device = CPU
    start: Bundle | None = None

    @property
    def work(self) -> Path:
        """Folder of unfinished training."""
        return self.out / "work"

    def sampler(self, denoiser: PixelDenoiser) -> GuidedSampler:
        """A sampler with the noise schedule of training."""
        return GuidedSampler(denoiser, self.config.num_steps, FITTED_SCHEDULE, solver=SOLVER)

    @property
    def realism_pictures(self) -> int:
        """How many pictures are compared with as many real ones, twice."""
        return min(self.config.realism_latents, len(self.dataset.test.labels) // 2)

    def draw(self, count: int, stream: int, denoiser: PixelDenoiser) -> tuple[Tensor, Tensor]:
        """Latents (count, C, H, W) of a stream of their own, and labels (count,)."""
        latents = draw_latents(count, stream + self.config.seed, denoiser.sample_shape)
        return latents, draw_labels(count, denoiser.num_classes)


@dataclass(frozen=True)
class Networks:
    """What was trained.

    Attributes:
        denoiser: The diffusion model.
        classifiers: By their names in the bundle: proxy, judge_0, judge_1.
        kinds: Their kinds, by the same names.
    """

    denoiser: PixelDenoiser
    classifiers: dict[str, Classifier]
    kinds: dict[str, str]

    @property
    def proxy(self) -> Classifier:
        """The classifier that rewards."""
        return self.classifiers["proxy"]

    def to(self, device: torch.device) -> None:
        """Move them all, to where pictures are made as the denoiser may."""
        for network in (self.denoiser, *self.classifiers.values()):
            network.to(device)
        self.denoiser.make_in(None)


@dataclass(frozen=True)
class HeadRoom:
    """What guidance can gain, and what follows from it.

    Attributes:
        trials: Every candidate of the grid, played.
        labels: (N,) of the latents they were played on.
        results: The best of every price form.
    """

    trials: list[headroom.Trial]
    labels: Tensor
    results: list[headroom.FormResult]


def assemble(
    fit: Fit,
    networks: Networks,
    fitted: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> BundleCard:
    """Measure head-room and realism, choose reward and CFG_0 by the rule, and write the bundle.

    The weights and `curve.csv` must lie in the folder already.

    Args:
        fit: Where, of what size, with which seeds.
        networks: What was trained.
        fitted: How it was trained, if that was not just now.
        name: The bundle's, if it has one already.

    Raises:
        ValueError: If a classifier is below the accuracy asked for, or the table leaves no price
            form.
    """
    networks.to(fit.device)
    test, least = fit.dataset.test, fit.config.accuracy
    accuracies = headroom.accuracies(networks.classifiers, test, least, fit.report)
    dataset, out = fit.dataset, fit.out
    real = headroom.proxy_features(networks.proxy, _real_pictures(fit, 5000))
    room = measure_headroom(fit, networks, real)
    reward, base, chosen = headroom.choose(room.results)
    _write_csv(out / "headroom.csv", headroom.table_rows(room.trials, real, room.labels))
    state_mean, state_sd = measure_states(fit, networks, reward, base)
    realisms = measure_realism(fit, networks, (*WEAK_GUIDANCE, chosen.constant))
    kept = _write_references(fit, networks)
    card = BundleCard(
        name=name or f"{dataset.name}-{fit.config.image_size}",
        class_names=dataset.class_names,
        denoiser=networks.denoiser.describe(),
        classifiers=networks.kinds,
        accuracies=accuracies,
        num_train_timesteps=FITTED_SCHEDULE.num_train_timesteps,
        beta_schedule=FITTED_SCHEDULE.beta_schedule,
        num_steps=fit.config.num_steps,
        cfg_base=base,
        state_mean=state_mean,
        state_sd=state_sd,
        reward=reward,
        chosen=chosen,
        made={
            **(fitted or _how_it_was_fitted(fit)),
            **_what_was_measured(fit, room, realisms),
            "measured_in": networks.denoiser.precision,
        },
        checksums={name: sha256(out / name) for name in sorted((*NETWORK_FILES, kept))},
        solver=SOLVER,
    )
    (out / "card.json").write_text(card_json(card), encoding="utf-8")
    (out / "MODEL_CARD.md").write_text(model_card(card), encoding="utf-8")
    return card


def assemble_again(
    dataset: Dataset, folder: Path, headroom_latents: int, report: Report
) -> BundleCard:
    """Measure a bundle's networks again and choose again; its weights, curve and name stay.

    Args:
        dataset: The pictures it was fitted to, of any size.
        folder: The bundle.
        headroom_latents: Latents of the head-room table.
        report: Prints a line of progress.

    Raises:
        FileNotFoundError: If the folder holds no bundle.
        ValueError: If it was fitted to other files, or as `assemble`.
    """
    bundle = load_bundle(folder)
    require_same_data(bundle.card, dataset)
    made = bundle.card.made
    config = FitConfig(**{**made["config"], "headroom_latents": headroom_latents})
    classifiers = {
        "proxy": bundle.proxy,
        **{f"judge_{place}": judge for place, judge in enumerate(bundle.judges)},
    }
    fit = Fit(shrink(dataset, config.image_size), folder, config, report)
    networks = Networks(bundle.fitted_denoiser, classifiers, bundle.card.classifiers)
    fitted = {name: made[name] for name in ("command", "data_sha256", "python", "versions")}
    if "besides" in made:  # what the command does not tell, in words
        fitted["besides"] = made["besides"]
    return assemble(fit, networks, fitted, bundle.card.name)


def require_same_data(card: BundleCard, dataset: Dataset) -> None:
    """Refuse other pictures than those that a bundle was fitted to.

    A bundle of 0.1 that was fitted to a folder of images does not know which they were.

    Raises:
        ValueError: If a file differs.
    """
    fitted_to = card.made["data_sha256"]
    if fitted_to and fitted_to != dataset.checksums:
        raise ValueError(
            f"the bundle {card.name!r} was fitted to files of SHA-256 {fitted_to}, these have "
            f"{dataset.checksums}: point --data to the same"
        )


def measure_headroom(fit: Fit, networks: Networks, real: FloatArray) -> HeadRoom:
    """Play constants and rules, and find the best of every price form.

    Args:
        fit: Sizes and seeds.
        networks: Denoiser and proxy.
        real: (M, F) the proxy's features of real pictures.
    """
    sampler, proxy = fit.sampler(networks.denoiser), networks.proxy
    environment = GuidanceEnvironment(sampler, proxy, headroom.NEUTRAL_REWARD, 3.0).widened()
    latents, labels = fit.draw(fit.config.headroom_latents, HEADROOM_SEED, networks.denoiser)

    def tell(trial: headroom.Trial) -> None:
        name = f"lo {trial.candidate.low:g}, k {trial.candidate.slope:g}"
        correct, unpriced = trial.correct.mean(), trial.unpriced.mean()
        fit.report(f"{name}: accuracy {correct:.3f}, return {unpriced:.3f}")

    def play(candidate: headroom.Candidate, first: int) -> headroom.Trial:
        here = latents[:first], labels[:first]
        return headroom.try_candidates(environment, proxy, [candidate], *here, tell)[0]

    trials = headroom.try_candidates(environment, proxy, headroom.grid(), latents, labels, tell)
    return HeadRoom(trials, labels, headroom.compare_forms(trials, real, play))


def measure_states(
    fit: Fit, networks: Networks, reward: RewardConfig, base: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation (6,) of the states that an untrained policy sees.

    Taken at the very CFG_0 that is used, under actions as a training begins with: at another base
    the previous action would be off by some of its own deviations.
    """
    environment = GuidanceEnvironment(fit.sampler(networks.denoiser), networks.proxy, reward, base)
    latents, labels = fit.draw(EXPLORED, EXPLORING_SEED, networks.denoiser)
    return headroom.state_statistics(
        headroom.explore(environment, latents, labels, fit.config.seed)
    )


def measure_realism(
    fit: Fit, networks: Networks, constants: Sequence[float]
) -> dict[float, dict[str, Realism]]:
    """How far pictures are from real ones: guidance to eye to distances."""
    count = fit.realism_pictures
    real = _real_pictures(fit, 2 * count)
    present = all_eyes(networks.classifiers, fit.device)
    eyes = {"proxy": present["proxy"], "AlexNet": present[ALEXNET]}
    found = {}
    for guidance in constants:
        images = _pictures(fit, networks.denoiser, guidance, count, REALISM_SEED)
        found[guidance] = realism(images, real, eyes)
        fit.report(f"constant {guidance:g}: {found[guidance]}")
    return found


def write_curve(fit: Fit, denoiser: PixelDenoiser) -> None:
    """Write AlexNet's Frechet distance without extra guidance (g = 1), snapshot by snapshot."""
    eye, count = ImageNetFeatures(fit.device), fit.config.curve_latents
    reference = GaussianReference.of(eye(_real_pictures(fit, 5000)))
    rows = [["step", "CPU-seconds", "AlexNet frechet"]]
    for path in sorted(fit.work.glob("snapshot-*.safetensors")):
        _, step, seconds = path.stem.split("-")
        snapshot = load_weights(PixelDenoiser(denoiser.config), path).to(fit.device)
        snapshot.make_in(None)
        distance = reference.distance(eye(_pictures(fit, snapshot, 1.0, count, CURVE_SEED)))
        rows.append([str(int(step)), seconds, f"{distance:.3f}"])
        fit.report(f"curve: step {int(step)}, AlexNet Frechet distance {distance:.3f}")
    _write_csv(fit.out / "curve.csv", rows)


def _real_pictures(fit: Fit, count: int) -> Tensor:
    """The first test pictures (count, c, h, w) in [0, 1]."""
    return fit.dataset.test.images[:count].float() / 255


def _pictures(
    fit: Fit, denoiser: PixelDenoiser, guidance: float, count: int, stream: int
) -> Tensor:
    """Pictures (count, c, h, w) in [0, 1] under one constant guidance, on the processor."""
    sampler = fit.sampler(denoiser)
    latents, labels = (each.to(fit.device) for each in fit.draw(count, stream, denoiser))
    batches = zip(latents.split(64), labels.split(64), strict=True)
    return torch.cat([denoiser.decode(sampler.sample(x, y, guidance)) for x, y in batches]).cpu()


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _write_references(fit: Fit, networks: Networks) -> str:
    """Keep the last test pictures, or what is seen in them; the file's name."""
    test = fit.dataset.test
    last = test.pick(torch.arange(len(test.labels))[-REFERENCES:])
    references = References(last.labels, last.images)
    if fit.config.references == "features":
        features = see(all_eyes(networks.classifiers, fit.device), references.images)
        references = References(last.labels, features=features)
    kept = references.save(fit.out)
    for other in set(FILES.values()) - {kept}:
        (fit.out / other).unlink(missing_ok=True)
    return kept


def _how_it_was_fitted(fit: Fit) -> dict[str, Any]:
    name, config = fit.dataset.kind or fit.dataset.name, fit.config
    return {
        "command": f"qhw fit --dataset {name} --data DIR --resolution {config.image_size} "
        f"{_budget_in_words(config)} --precision {config.precision} --seed {config.seed}"
        f"{_more_in_words(config)}",
        "data_sha256": fit.dataset.checksums,
        "python": platform.python_version(),
        "versions": {package: metadata.version(package) for package in ("torch", "diffusers")},
    }


def _budget_in_words(config: FitConfig) -> str:
    if config.denoiser_pictures is not None:
        return f"--pictures {config.denoiser_pictures}"
    return f"--minutes {config.denoiser_minutes + 3 * config.classifier_minutes:g}"


def _more_in_words(config: FitConfig) -> str:
    more = " --mirror" if config.mirror else ""
    more += " --references features" if config.references == "features" else ""
    return f"{more} --start-from BUNDLE" if config.start_from else more


def _what_was_measured(
    fit: Fit, room: HeadRoom, realisms: dict[float, dict[str, Realism]]
) -> dict[str, Any]:
    return {
        "config": dataclasses.asdict(fit.config),
        "price_forms": [dataclasses.asdict(result) for result in room.results],
        "realism_pictures": fit.realism_pictures,
        "realism": {
            f"{guidance:g}": {eye: dataclasses.asdict(seen) for eye, seen in eyes.items()}
            for guidance, eyes in realisms.items()
        },
    }
