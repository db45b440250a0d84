"""Make a model bundle: train a denoiser, a proxy and two judges, then measure the head-room.

The proxy sees one half of the training set and the judges the other, so that what the proxy rewards
by mistake is not what the judges get wrong. Budgets are CPU time; see `diffusion.optimisation`.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from diffusion import headroom
from diffusion.bundle import BundleCard, card_json, load_weights, save_weights, sha256
from diffusion.classifiers import CLASSIFIERS, Classifier
from diffusion.datasets import Dataset, Split, shrink
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.metrics import FloatArray, GaussianReference, frechet_distance
from diffusion.model_card import model_card
from diffusion.optimisation import Recipe, Report, run_training
from diffusion.sampler import GuidedSampler

BATCH_DENOISER, BATCH_CLASSIFIER = 128, 64
LABEL_DROPOUT = 0.15
GRID = 8
"""Side of the grid that pixels are folded to."""
SNAPSHOT_EVERY = 1000
REQUIRED_ACCURACY = 0.88
HEADROOM_SEED, CURVE_SEED = 777_000, 888_000
REFERENCES = 1000
BETA_SCHEDULE, TRAIN_TIMESTEPS = "squaredcos_cap_v2", 1000
KINDS = {"proxy": "resnet", "judge_0": "cnn", "judge_1": "resnet"}
"""Kind of every classifier, by its name in the bundle."""


@dataclass(frozen=True)
class FitConfig:
    """How a bundle is made.

    Attributes:
        image_size: Height and width of the pictures; a multiple of 8.
        denoiser_minutes: CPU-minutes for the denoiser.
        classifier_minutes: CPU-minutes for each of the three classifiers.
        headroom_latents: Latents of the head-room table; half choose, half compare.
        curve_latents: Latents of the training curve.
        num_steps: Denoising steps of the head-room episodes.
        seed: Seed of everything random.
    """

    image_size: int = 16
    denoiser_minutes: float = 34.0
    classifier_minutes: float = 8.5
    headroom_latents: int = 1000
    curve_latents: int = 2000
    num_steps: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Fit:
    """A bundle in the making.

    Attributes:
        dataset: Pictures, of the size of the bundle.
        out: The bundle's folder; unfinished training lies in `work` below it.
        config: Budgets and seeds.
        report: Prints a line of progress.
    """

    dataset: Dataset
    out: Path
    config: FitConfig
    report: Report

    @property
    def work(self) -> Path:
        """Folder of unfinished training."""
        return self.out / "work"

    def sampler(self, denoiser: PixelDenoiser) -> GuidedSampler:
        """A sampler with the noise schedule of training."""
        return GuidedSampler(denoiser, self.config.num_steps, TRAIN_TIMESTEPS, BETA_SCHEDULE)


def fit_bundle(dataset: Dataset, out: Path, config: FitConfig, report: Report) -> BundleCard:
    """Train everything that is not trained yet, and write the bundle.

    Args:
        dataset: Pictures.
        out: The bundle's folder; unfinished training lies in `out/work`.
        config: Budgets and seeds.
        report: Prints a line of progress.

    Raises:
        ValueError: If a classifier stays below 88 % test accuracy, or the head-room table leaves no
            price form.
    """
    fit = Fit(shrink(dataset, config.image_size), out, config, report)
    denoiser = train_denoiser(fit)
    return assemble(fit, denoiser, *_train_classifiers(fit))


def train_denoiser(fit: Fit) -> PixelDenoiser:
    """Train on the squared error of v with label dropout; returns the averaged weights.

    Ho et al., arXiv 2006.11239; v, 2202.00512; label dropout, 2207.12598; schedule, 2102.09672.
    The averaged weights of every `SNAPSHOT_EVERY` steps are kept in `work` for the curve.
    """
    config, data, num_classes = fit.config, fit.dataset.train, len(fit.dataset.class_names)
    torch.manual_seed(config.seed)
    size, channels = data.images.shape[-1], data.images.shape[1]
    model = PixelDenoiser(PixelDenoiserConfig(channels, size, size // GRID, num_classes))
    average = copy.deepcopy(model).eval()
    clean = model.encode(data.images.float() / 255)
    alpha_bar = DDIMScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS, beta_schedule=BETA_SCHEDULE
    ).alphas_cumprod

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(clean), (BATCH_DENOISER,), generator=generator)
        time_index = torch.randint(TRAIN_TIMESTEPS, (BATCH_DENOISER,), generator=generator)
        noise = torch.randn(clean[index].shape, generator=generator)
        level = alpha_bar[time_index].view(-1, 1, 1, 1)
        dropped = torch.rand(BATCH_DENOISER, generator=generator) < LABEL_DROPOUT
        labels = torch.where(dropped, num_classes, data.labels[index])
        noisy = level.sqrt() * clean[index] + (1 - level).sqrt() * noise
        predicted: Tensor = model(noisy, time_index, labels)
        target = noise
        if model.prediction_type == "v_prediction":
            target = level.sqrt() * noise - (1 - level).sqrt() * clean[index]
        return (predicted - target).square().mean()

    def follow(step: int) -> None:
        decay = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    def keep(step: int, used: float) -> None:
        if step % SNAPSHOT_EVERY == 0 or used >= recipe.seconds:
            save_weights(average, fit.work / f"snapshot-{step:06d}-{used:.0f}.safetensors")

    recipe = Recipe("denoiser", 1.2e-3, 1e-4, config.denoiser_minutes * 60, config.seed)
    modules: dict[str, nn.Module] = {"model": model, "average": average}
    run_training(recipe, modules, loss, follow, fit.work, fit.report, keep)
    return average


def train_classifier(fit: Fit, name: str, data: Split, seed: int) -> Classifier:
    """Train with shifts, flips and a little noise, so that it can read half-made pictures too."""
    torch.manual_seed(seed)
    model = CLASSIFIERS[KINDS[name]](len(fit.dataset.class_names), data.images.shape[1])
    model.to(memory_format=torch.channels_last)

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(data.images), (BATCH_CLASSIFIER,), generator=generator)
        images = _augment(data.images[index].float() / 255, generator)
        logits: Tensor = model(images)
        return functional.cross_entropy(logits, data.labels[index], label_smoothing=0.02)

    recipe = Recipe(name, 2e-3, 0.02, fit.config.classifier_minutes * 60, seed)
    run_training(recipe, {"model": model}, loss, lambda _step: None, fit.work, fit.report)
    return model.eval()


def assemble(
    fit: Fit,
    denoiser: PixelDenoiser,
    classifiers: dict[str, Classifier],
    accuracies: dict[str, float],
) -> BundleCard:
    """Measure the head-room, choose reward and CFG_0 by its rule, and write the bundle."""
    weak = {name: value for name, value in accuracies.items() if value < REQUIRED_ACCURACY}
    if weak:
        raise ValueError(f"below {REQUIRED_ACCURACY} test accuracy: {weak}: train longer")
    denoiser.eval().requires_grad_(False)
    dataset, out, proxy = fit.dataset, fit.out, classifiers["proxy"]
    real = headroom.proxy_features(proxy, dataset.test.images[:5000].float() / 255)
    trials, labels, statistics, play = _try_guidance(fit, denoiser, proxy)
    results = headroom.compare_forms(trials, real, play)
    reward, base, chosen = headroom.choose(results)
    _write_csv(out / "headroom.csv", headroom.table_rows(trials, real, labels))
    curve = _curve(fit, denoiser, proxy, real, chosen.constant)
    _write_csv(out / "curve.csv", curve)
    for name, module in {"denoiser": denoiser, **classifiers}.items():
        save_weights(module, out / f"{name}.safetensors")
    references = dataset.test.pick(torch.arange(len(dataset.test.labels))[-REFERENCES:])
    save_file(
        {"images": references.images.contiguous(), "labels": references.labels.contiguous()},
        out / "references.safetensors",
    )
    card = BundleCard(
        name=dataset.name,
        class_names=dataset.class_names,
        denoiser=denoiser.describe(),
        classifiers=dict(KINDS),
        accuracies=accuracies,
        num_train_timesteps=TRAIN_TIMESTEPS,
        beta_schedule=BETA_SCHEDULE,
        num_steps=fit.config.num_steps,
        cfg_base=base,
        state_mean=statistics[0],
        state_sd=statistics[1],
        reward=reward,
        chosen=chosen,
        made=_how_it_was_made(fit, results, curve, real),
        checksums={path.name: sha256(path) for path in sorted(out.glob("*.safetensors"))},
    )
    (out / "card.json").write_text(card_json(card), encoding="utf-8")
    (out / "MODEL_CARD.md").write_text(model_card(card), encoding="utf-8")
    return card


def split_in_halves(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two disjoint random halves of `count` positions: the proxy's and the judges'."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // 2], order[count // 2 :]


def _train_classifiers(fit: Fit) -> tuple[dict[str, Classifier], dict[str, float]]:
    train, test = fit.dataset.train, fit.dataset.test
    for_proxy, for_judges = split_in_halves(len(train.labels), fit.config.seed)
    classifiers, accuracies = {}, {}
    for seed, name in enumerate(KINDS, start=fit.config.seed + 1):
        data = train.pick(for_proxy if name == "proxy" else for_judges)
        classifier = classifiers[name] = train_classifier(fit, name, data, seed)
        accuracies[name] = headroom.accuracy(classifier, test.images.float() / 255, test.labels)
        fit.report(f"{name}: test accuracy {accuracies[name]:.4f}")
    return classifiers, accuracies


def _augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by up to a twelfth, mirror half of the batches, add noise of up to 5 %."""
    size = images.shape[-1]
    reach = size // 12
    down, across = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
    framed = functional.pad(images, (reach,) * 4)
    moved = framed[..., down : down + size, across : across + size]
    moved = moved.flip(-1) if torch.rand((), generator=generator) < 0.5 else moved
    strength = 0.05 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (moved + strength * torch.randn(moved.shape, generator=generator)).clamp(0, 1)


def _try_guidance(
    fit: Fit, denoiser: PixelDenoiser, proxy: Classifier
) -> tuple[
    list[headroom.Trial], Tensor, tuple[tuple[float, ...], tuple[float, ...]], headroom.Play
]:
    sampler = fit.sampler(denoiser)
    environment = GuidanceEnvironment(sampler, proxy, headroom.NEUTRAL_REWARD, 3.0).widened()
    count = fit.config.headroom_latents
    latents = draw_latents(count, HEADROOM_SEED + fit.config.seed, denoiser.sample_shape)
    labels = draw_labels(count, denoiser.num_classes)

    def tell(trial: headroom.Trial) -> None:
        name = f"lo {trial.candidate.low:g}, k {trial.candidate.slope:g}"
        correct, unpriced = trial.correct.mean(), trial.unpriced.mean()
        fit.report(f"{name}: accuracy {correct:.3f}, return {unpriced:.3f}")

    def play(candidate: headroom.Candidate, first: int) -> headroom.Trial:
        here = latents[:first], labels[:first]
        return headroom.try_candidates(environment, proxy, [candidate], *here, tell)[0]

    trials = headroom.try_candidates(environment, proxy, headroom.grid(), latents, labels, tell)
    typical = headroom.play_candidate(environment, headroom.Candidate(2.0, 2.0), latents, labels)
    return trials, labels, headroom.state_statistics(typical), play


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _curve(
    fit: Fit, denoiser: PixelDenoiser, proxy: Classifier, real: FloatArray, guidance: float
) -> list[list[str]]:
    """Frechet distance in the proxy's features at a constant guidance, snapshot by snapshot."""
    reference = GaussianReference.of(real)
    count = fit.config.curve_latents
    latents = draw_latents(count, CURVE_SEED + fit.config.seed, denoiser.sample_shape)
    labels = draw_labels(count, denoiser.num_classes)
    batches = list(zip(latents.split(64), labels.split(64), strict=True))
    rows = [["step", "CPU-seconds", "proxy frechet"]]
    for path in sorted(fit.work.glob("snapshot-*.safetensors")):
        _, step, seconds = path.stem.split("-")
        snapshot = load_weights(PixelDenoiser(denoiser.config), path)
        sampler = fit.sampler(snapshot)
        clean = [sampler.sample(x, y, guidance) for x, y in batches]
        images = torch.cat([snapshot.decode(part) for part in clean])
        distance = reference.distance(headroom.proxy_features(proxy, images))
        rows.append([str(int(step)), seconds, f"{distance:.3f}"])
        fit.report(f"curve: step {int(step)}, proxy Frechet distance {distance:.3f}")
    return rows


def _how_it_was_made(
    fit: Fit,
    results: Sequence[headroom.FormResult],
    curve: Sequence[Sequence[str]],
    real: FloatArray,
) -> dict[str, object]:
    half = len(real) // 2
    return {
        "command": f"qhw fit --dataset {fit.dataset.name} --data DIR --seed {fit.config.seed}",
        "config": dataclasses.asdict(fit.config),
        "data_sha256": fit.dataset.checksums,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "diffusers")},
        "price_forms": [dataclasses.asdict(result) for result in results],
        "real_pictures": len(real),
        "frechet_real_against_real": frechet_distance(real[:half], real[half:]),
        "frechet_best_constant": float(curve[-1][-1]),
    }
