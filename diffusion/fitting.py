"""Make a model bundle: train a denoiser, a proxy and two judges, then measure what they can do.

The proxy sees one half of the training set and the judges the other, so that what the proxy rewards
by mistake is not what the judges get wrong. Budgets: see `diffusion.optimisation`.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from torch.nn import functional

from diffusion.assembling import (
    Fit,
    FitConfig,
    Networks,
    assemble,
    require_same_data,
    write_curve,
)
from diffusion.augmentation import cut_out, mirrored, noised, shifted
from diffusion.bundle import Bundle, BundleCard
from diffusion.classifiers import CLASSIFIERS, Classifier
from diffusion.datasets import Dataset, Split, shrink
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.noise_schedule import FITTED_SCHEDULE
from diffusion.optimisation import Budget, Recipe, Report, model_device, run_training
from diffusion.precision import Precision, computing_in
from diffusion.weights import load_weights, save_weights

BATCH = 64
LABEL_DROPOUT = 0.12
DENOISER_RATE, CLASSIFIER_RATE = 2e-3, 2e-3
SNAPSHOT_EVERY = 1000
SMALL = 16
"""Pictures up to this size need no stride in the classifiers' stems."""


def fit_bundle(
    dataset: Dataset,
    out: Path,
    config: FitConfig,
    report: Report,
    device: torch.device | str = "cpu",
    start: Bundle | None = None,
) -> BundleCard:
    """Train everything that is not trained yet, and write the bundle.

    Args:
        dataset: Pictures.
        out: The bundle's folder; unfinished training lies in `out/work`.
        config: Budgets and seeds.
        report: Prints a line of progress.
        device: Where networks are trained.
        start: A bundle of these data whose denoiser is trained further, and whose classifiers are
            taken as they are.

    Raises:
        ValueError: If a classifier stays below the accuracy asked for, the head-room table leaves
            no price form, or the bundle to begin with is of other data or another architecture.
    """
    shrunk = shrink(dataset, config.image_size)
    if start is not None:
        require_start(start, dataset, config)
        config = dataclasses.replace(config, start_from=start.card.digest)
    fit = Fit(shrunk, out, config, report, torch.device(device), start)
    _require_same_work(fit)
    trained = train_networks(fit)
    write_curve(fit, trained.denoiser)
    return assemble(fit, trained)


def require_start(start: Bundle, dataset: Dataset, config: FitConfig) -> None:
    """Refuse to go on from a bundle that does not fit, before anything is trained.

    Raises:
        ValueError: If it is of other data or another architecture, or its classifiers, which are
            taken as they are, are below the accuracy asked for.
    """
    require_same_data(start.card, dataset)
    if start.card.class_names != dataset.class_names:
        raise ValueError(
            f"{start.card.name} knows the classes {', '.join(start.card.class_names)}, these data "
            f"have {', '.join(dataset.class_names)}"
        )
    given = start.fitted_denoiser.config
    wanted = _architecture(dataset, config.image_size)
    # How weights lie on disk and what pictures are made in is no part of what goes on.
    if dataclasses.replace(given, storage=wanted.storage, pictures=wanted.pictures) != wanted:
        raise ValueError(
            f"the denoiser of {start.card.name} is {given}, these pictures take {wanted}"
        )
    weak = {k: v for k, v in start.card.accuracies.items() if v < config.accuracy}
    if weak:
        raise ValueError(
            f"classifiers of {start.card.name} are below {config.accuracy:g} test accuracy: {weak}"
        )


def _architecture(dataset: Dataset, size: int) -> PixelDenoiserConfig:
    channels = dataset.train.images.shape[1]
    return PixelDenoiserConfig.of_pictures(channels, size, len(dataset.class_names))


def _require_same_work(fit: Fit) -> None:
    """Refuse to go on with training that was begun with other settings or data.

    Budgets may change: a longer one trains on.

    Raises:
        ValueError: If it was.
    """
    config = fit.config
    facts = {
        "image_size": config.image_size,
        "seed": config.seed,
        "precision": config.precision,
        "mirror": config.mirror,
        "start_from": config.start_from,
        "data": fit.dataset.checksums,
        "classes": list(fit.dataset.class_names),
        "classifiers": _kinds(fit),
    }
    path = fit.work / "settings.json"
    fit.work.mkdir(parents=True, exist_ok=True)
    if not path.exists() and not any(fit.work.glob("*.safetensors")):
        path.write_text(json.dumps(facts), encoding="utf-8")
    begun = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    others = [name for name, value in facts.items() if begun.get(name) != value]
    if others:
        raise ValueError(
            f"{fit.work} holds training that was begun with another {', '.join(others)}: name "
            "another folder, or delete this one"
        )


def train_networks(fit: Fit) -> Networks:
    """Train the denoiser and the classifiers, write their weights, and round them as written."""
    kinds = _kinds(fit)
    trained = Networks(train_denoiser(fit), _classifiers(fit, kinds), kinds)
    for name, module in {"denoiser": trained.denoiser, **trained.classifiers}.items():
        storage = module.config.storage if isinstance(module, PixelDenoiser) else "fp16"
        save_weights(module, fit.out / f"{name}.safetensors", storage)
        load_weights(module, fit.out / f"{name}.safetensors")
    return trained


def _kinds(fit: Fit) -> dict[str, str]:
    """Kinds of the classifiers; a bundle that is begun with keeps its own."""
    if fit.start is not None:
        return dict(fit.start.card.classifiers)
    return classifier_kinds(fit.dataset.train.images.shape[1], fit.config.image_size)


def classifier_kinds(channels: int, size: int) -> dict[str, str]:
    """Kind of every classifier of pictures (channels, size, size), by its name in the bundle.

    Larger ones in colour are hard enough that a second look, at the mirror image, is worth its
    time: on CIFAR-10 it takes a proxy from .874 to .882.
    """
    if channels == 3 and size > SMALL:
        wide, slim = "mirrored_resnet9", "mirrored_resnet"
        return {"proxy": wide, "judge_0": slim, "judge_1": wide}
    resnet = "resnet" if size <= SMALL else "strided_resnet"
    return {"proxy": resnet, "judge_0": "cnn", "judge_1": resnet}


def train_denoiser(fit: Fit) -> PixelDenoiser:
    """Train on the squared error of v with label dropout; returns the averaged weights.

    The averaged weights of every `SNAPSHOT_EVERY` steps are kept in `work` for the curve.
    """
    config, data = fit.config, fit.dataset.train
    torch.manual_seed(config.seed)
    model = PixelDenoiser(_architecture(fit.dataset, data.images.shape[-1]))
    if fit.start is not None:
        model.load_state_dict(fit.start.fitted_denoiser.state_dict())
    average = copy.deepcopy(model.to(fit.device)).eval()

    def keep(step: int, used: float) -> None:
        if step % SNAPSHOT_EVERY == 0 or recipe.budget.share(step, used) >= 1:
            save_weights(average, fit.work / f"snapshot-{step:06d}-{used:.0f}.safetensors")

    budget = _budget(config.denoiser_minutes, config.denoiser_pictures)
    recipe = Recipe("denoiser", denoiser_rate(model), 1e-4, budget, config.seed)
    run_training(
        recipe,
        {"model": model, "average": average},
        denoising_loss(model, data, config.precision, mirror=config.mirror),
        lambda step: follow(average, model, step),
        fit.work,
        fit.report,
        keep,
    )
    return average


def denoiser_rate(model: PixelDenoiser) -> float:
    """Largest learning rate; at that of the small networks one of 7 million parameters diverged."""
    return DENOISER_RATE / 2 if len(model.config.channels) > 2 else DENOISER_RATE


def denoising_loss(
    model: PixelDenoiser, data: Split, precision: Precision = "fp32", *, mirror: bool = False
) -> Callable[[torch.Generator], Tensor]:
    """The loss of one batch, which it draws with a generator: the mean squared error of v.

    Ho et al., arXiv 2006.11239; v, 2202.00512; label dropout, 2207.12598; schedule, 2102.09672.

    Args:
        model: Predicts v, or noise.
        data: Pictures (N, c, h, h) of the model's size; they move to where the model is.
        precision: What the network computes with; weights and loss are fp32.
        mirror: Whether half of the pictures are mirrored, each by itself.
    """
    device = model_device(model)
    images, classes = data.images.to(device), data.labels.to(device)
    levels = FITTED_SCHEDULE.num_train_timesteps
    alpha_bar = DDIMScheduler(**FITTED_SCHEDULE.record).alphas_cumprod.to(device)

    def loss(generator: torch.Generator) -> Tensor:
        # Drawn on the processor: every device sees the same batches.
        index = torch.randint(len(images), (BATCH,), generator=generator).to(device)
        time_index = torch.randint(levels, (BATCH,), generator=generator).to(device)
        noise = torch.randn((BATCH, *model.sample_shape), generator=generator).to(device)
        level = alpha_bar[time_index].view(-1, 1, 1, 1)
        dropped = (torch.rand(BATCH, generator=generator) < LABEL_DROPOUT).to(device)
        labels = torch.where(dropped, model.num_classes, classes[index])
        pictures = images[index].float() / 255
        if mirror:
            pictures = mirrored(pictures, generator)
        clean = model.encode(pictures)
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        with computing_in(precision, device):
            predicted: Tensor = model(noisy, time_index, labels)
        target = noise
        if model.prediction_type == "v_prediction":
            target = level.sqrt() * noise - (1 - level).sqrt() * clean
        return (predicted.float() - target).square().mean()

    return loss


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int) -> None:
    """Move averaged weights towards the present ones; the first steps are soon forgotten."""
    decay = min(0.999, (1 + step) / (10 + step))
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def train_classifier(fit: Fit, name: str, kind: str, data: Split, seed: int) -> Classifier:
    """Train on varied pictures: it is to read half-made ones, too."""
    torch.manual_seed(seed)
    how = classifier_recipe(data.images.shape[1], data.images.shape[-1])
    model = CLASSIFIERS[kind](len(fit.dataset.class_names), data.images.shape[1])
    model.to(fit.device).to(memory_format=torch.channels_last)

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(data.images), (BATCH,), generator=generator)
        images = how.varied(data.images[index].float() / 255, generator).to(fit.device)
        with computing_in(fit.config.precision, fit.device):
            logits: Tensor = model(images)
        wanted = data.labels[index].to(fit.device)
        return functional.cross_entropy(logits.float(), wanted, label_smoothing=how.smoothing)

    budget = _budget(fit.config.classifier_minutes, fit.config.classifier_pictures)
    recipe = Recipe(name, how.rate, how.weight_decay, budget, seed, how.momentum)
    run_training(recipe, {"model": model}, loss, lambda _step: None, fit.work, fit.report)
    return model.eval()


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained.

    Attributes:
        rate: Largest learning rate.
        weight_decay: See `Recipe`.
        momentum: See `Recipe`.
        smoothing: Label smoothing: this much of a target is spread over all classes.
        varied: Makes training pictures (N, c, h, h) in [0, 1] others of the same classes.
    """

    rate: float
    weight_decay: float
    momentum: float | None
    smoothing: float
    varied: Callable[[Tensor, torch.Generator], Tensor]


def classifier_recipe(channels: int, size: int) -> ClassifierRecipe:
    """The recipe for pictures (channels, size, size).

    Small grey pictures are learned in minutes by AdamW; larger ones in colour, of which half a
    data set is soon known by heart, take SGD and stronger variation.
    """
    if channels == 3 and size > SMALL:
        return ClassifierRecipe(0.1, 5e-4, 0.9, 0.05, _vary_large)
    return ClassifierRecipe(CLASSIFIER_RATE, 0.02, None, 0.02, _vary_small)


def _vary_small(images: Tensor, generator: torch.Generator) -> Tensor:
    moved = shifted(images, images.shape[-1] // 8, generator, "constant")
    return noised(mirrored(moved, generator), generator)


def _vary_large(images: Tensor, generator: torch.Generator) -> Tensor:
    moved = shifted(images, images.shape[-1] // 8, generator, "reflect")
    return cut_out(mirrored(moved, generator), generator)


def split_in_halves(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two disjoint random halves of `count` positions: the proxy's and the judges'."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // 2], order[count // 2 :]


def _classifiers(fit: Fit, kinds: dict[str, str]) -> dict[str, Classifier]:
    """Trained ones; or those of the bundle that is begun with, which are of the same halves."""
    if fit.start is None:
        return _train_classifiers(fit, kinds)
    return dict(zip(kinds, (fit.start.proxy, *fit.start.judges), strict=True))


def _train_classifiers(fit: Fit, kinds: dict[str, str]) -> dict[str, Classifier]:
    train, seed = fit.dataset.train, fit.config.seed
    for_proxy, for_judges = split_in_halves(len(train.labels), seed)
    return {
        name: train_classifier(
            fit,
            name,
            kind,
            train.pick(for_proxy if name == "proxy" else for_judges),
            seed + place,
        )
        for place, (name, kind) in enumerate(kinds.items(), start=1)
    }


def _budget(minutes: float, pictures: int | None) -> Budget:
    return Budget(60 * minutes, None if pictures is None else -(-pictures // BATCH))
