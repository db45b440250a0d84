"""Make a model bundle: train a denoiser, a proxy and two judges, then measure the head-room.

The proxy sees one half of the training set and the judges the other, so that what the proxy rewards
by mistake is not what the judges get wrong. Budgets are CPU time; the learning rate follows a
cosine over the budget. Training saves its state every `SAVE_EVERY` steps and goes on from there.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from diffusion import headroom
from diffusion.bundle import BundleCard, card_json, save_weights, sha256
from diffusion.classifiers import CLASSIFIERS, Classifier
from diffusion.datasets import Dataset, Split
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.environment import draw_labels, draw_latents
from diffusion.metrics import FloatArray, frechet_distance

Report = Callable[[str], None]
SAVE_EVERY = 200
BATCH_DENOISER, BATCH_CLASSIFIER = 128, 64
LABEL_DROPOUT = 0.15
REQUIRED_ACCURACY = 0.88
HEADROOM_SEED = 777_000
REFERENCES = 1000
BETA_SCHEDULE, TRAIN_TIMESTEPS = "squaredcos_cap_v2", 1000


@dataclass(frozen=True)
class FitConfig:
    """How a bundle is made.

    Attributes:
        denoiser_minutes: CPU-minutes for the denoiser.
        classifier_minutes: CPU-minutes for each of the three classifiers.
        headroom_latents: Latents of the head-room table; half choose, half compare.
        num_steps: Denoising steps of the head-room episodes.
        seed: Seed of everything random.
    """

    denoiser_minutes: float = 18.0
    classifier_minutes: float = 4.5
    headroom_latents: int = 400
    num_steps: int = 10
    seed: int = 0


def fit_bundle(dataset: Dataset, out: Path, config: FitConfig, report: Report) -> BundleCard:
    """Train everything that is not trained yet, and write the bundle.

    Args:
        dataset: Pictures.
        out: The bundle's folder; unfinished training lies in `out/work`.
        config: Budgets and seeds.
        report: Is told of progress, a line at a time.

    Raises:
        ValueError: If a classifier stays below 88 % test accuracy, or the head-room table leaves no
            price form.
    """
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    denoiser = train_denoiser(dataset.train, len(dataset.class_names), work, config, report)
    classifiers, accuracies = _train_classifiers(dataset, work, config, report)
    return assemble(dataset, denoiser, classifiers, accuracies, out, config, report)


def train_denoiser(
    data: Split, num_classes: int, work: Path, config: FitConfig, report: Report
) -> PixelDenoiser:
    """Train on the noise's squared error with label dropout; returns the averaged weights.

    Ho et al., arXiv 2006.11239; label dropout, arXiv 2207.12598; cosine schedule, 2102.09672.
    """
    torch.manual_seed(config.seed)
    size, channels = data.images.shape[-1], data.images.shape[1]
    padded = math.ceil(size / 8) * 8
    model = PixelDenoiser(PixelDenoiserConfig(channels, size, padded, 4, num_classes))
    model.to(memory_format=torch.channels_last)
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

    recipe = Recipe("denoiser", 1.2e-3, 1e-4, config.denoiser_minutes * 60, config.seed)
    run_training(recipe, {"model": model, "average": average}, loss, follow, work, report)
    return average


def train_classifier(
    name: str,
    kind: str,
    data: Split,
    num_classes: int,
    work: Path,
    config: FitConfig,
    seed: int,
    report: Report,
) -> Classifier:
    """Train with shifts, flips and a little noise, so that it can read half-made pictures too."""
    torch.manual_seed(seed)
    model = CLASSIFIERS[kind](num_classes, data.images.shape[1])
    model.to(memory_format=torch.channels_last)

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(data.images), (BATCH_CLASSIFIER,), generator=generator)
        images = _augment(data.images[index].float() / 255, generator)
        logits: Tensor = model(images)
        return functional.cross_entropy(logits, data.labels[index], label_smoothing=0.02)

    recipe = Recipe(name, 2e-3, 0.02, config.classifier_minutes * 60, seed)
    run_training(recipe, {"model": model}, loss, lambda _step: None, work, report)
    return model.eval()


@dataclass(frozen=True)
class Recipe:
    """How one network is optimised (AdamW, linear warm-up, cosine decay over the CPU budget).

    Attributes:
        name: Of the network and its saved state.
        rate: Largest learning rate.
        weight_decay: Decoupled weight decay.
        seconds: CPU-seconds.
        seed: Of the batches.
    """

    name: str
    rate: float
    weight_decay: float
    seconds: float
    seed: int

    def rate_at(self, step: int, used: float) -> float:
        """Learning rate after `step` steps and `used` CPU-seconds."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, used / self.seconds)))
        return self.rate * min(1.0, (step + 1) / 150) * (cosine + 0.01)


def run_training(
    recipe: Recipe,
    modules: dict[str, nn.Module],
    loss: Callable[[torch.Generator], Tensor],
    follow: Callable[[int], None],
    work: Path,
    report: Report,
) -> None:
    """Optimise `modules["model"]` until the CPU budget is used up, resuming a saved state.

    Batches depend on the seed and the step alone, so a resumed run sees what it would have seen.
    """
    model = modules["model"].train()
    optimizer = AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    path = work / f"{recipe.name}.safetensors"
    step, used = _restore(path, modules, optimizer)
    last = time.process_time()
    while used < recipe.seconds:
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step, used)
        value = loss(torch.Generator().manual_seed(recipe.seed * 1_000_003 + step))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        follow(step)
        now = time.process_time()
        used, last = used + now - last, now
        if step % SAVE_EVERY == 0 or used >= recipe.seconds:
            _save(path, modules, optimizer, step, used)
            report(
                f"{recipe.name}: step {step}, {used:.0f} CPU-s, loss {float(value.detach()):.4f}"
            )


def assemble(
    dataset: Dataset,
    denoiser: PixelDenoiser,
    classifiers: dict[str, Classifier],
    accuracies: dict[str, float],
    out: Path,
    config: FitConfig,
    report: Report,
) -> BundleCard:
    """Measure the head-room, choose reward and CFG_0 by its rule, and write the bundle."""
    weak = {name: value for name, value in accuracies.items() if value < REQUIRED_ACCURACY}
    if weak:
        raise ValueError(f"below {REQUIRED_ACCURACY} test accuracy: {weak}: train longer")
    denoiser.eval().requires_grad_(False)
    proxy = classifiers["proxy"]
    real = headroom.proxy_features(proxy, dataset.test.images[:5000].float() / 255)
    trials, labels, statistics = _measure(denoiser, proxy, config, report)
    results = headroom.compare_forms(trials, real)
    reward, base, chosen = headroom.choose(results)
    _write_csv(out / "headroom.csv", headroom.table_rows(trials, real, labels))
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
        classifiers={"proxy": "resnet", "judge_0": "cnn", "judge_1": "resnet"},
        accuracies=accuracies,
        num_train_timesteps=TRAIN_TIMESTEPS,
        beta_schedule=BETA_SCHEDULE,
        cfg_base=base,
        state_mean=statistics[0],
        state_sd=statistics[1],
        reward=reward,
        chosen=chosen,
        made=_how_it_was_made(dataset, config, results, trials, real),
        checksums={path.name: sha256(path) for path in sorted(out.glob("*.safetensors"))},
    )
    (out / "card.json").write_text(card_json(card), encoding="utf-8")
    return card


def _measure(
    denoiser: PixelDenoiser, proxy: Classifier, config: FitConfig, report: Report
) -> tuple[list[headroom.Trial], Tensor, tuple[tuple[float, ...], tuple[float, ...]]]:
    environment = headroom.wide_environment(
        denoiser, proxy, headroom.NEUTRAL_REWARD, config.num_steps
    )
    count = config.headroom_latents
    latents = draw_latents(count, HEADROOM_SEED + config.seed, denoiser.sample_shape)
    labels = draw_labels(count, denoiser.num_classes)

    def tell(trial: headroom.Trial) -> None:
        name = f"lo {trial.candidate.low:g}, k {trial.candidate.slope:g}"
        report(f"{name}: accuracy {trial.correct.mean():.3f}, return {trial.unpriced.mean():.3f}")

    trials = headroom.try_candidates(environment, proxy, headroom.grid(), latents, labels, tell)
    typical = headroom.play_candidate(environment, headroom.Candidate(2.0, 2.0), latents, labels)
    return trials, labels, headroom.state_statistics(typical)


def _train_classifiers(
    dataset: Dataset, work: Path, config: FitConfig, report: Report
) -> tuple[dict[str, Classifier], dict[str, float]]:
    halves = split_in_halves(len(dataset.train.labels), config.seed)
    plans = (("proxy", "resnet", 0, 1), ("judge_0", "cnn", 1, 2), ("judge_1", "resnet", 1, 3))
    classifiers, accuracies = {}, {}
    for name, kind, half, offset in plans:
        data = dataset.train.pick(halves[half])
        classifiers[name] = train_classifier(
            name, kind, data, len(dataset.class_names), work, config, config.seed + offset, report
        )
        accuracies[name] = headroom.accuracy(
            classifiers[name], dataset.test.images.float() / 255, dataset.test.labels
        )
        report(f"{name}: test accuracy {accuracies[name]:.4f}")
    return classifiers, accuracies


def split_in_halves(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two disjoint random halves of `count` positions: the proxy's and the judges'."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // 2], order[count // 2 :]


def _how_it_was_made(
    dataset: Dataset,
    config: FitConfig,
    results: Sequence[headroom.FormResult],
    trials: Sequence[headroom.Trial],
    real: FloatArray,
) -> dict[str, object]:
    half = len(real) // 2
    constants = [t for t in trials if t.candidate.slope == 0]
    return {
        "config": dataclasses.asdict(config),
        "data_sha256": dataset.checksums,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "diffusers")},
        "price_forms": [dataclasses.asdict(result) for result in results],
        "frechet_real_against_real": frechet_distance(real[:half], real[half:]),
        "frechet_best_constant": min(frechet_distance(t.features, real) for t in constants),
    }


def _augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by up to two pixels, mirror half of the batches, add noise of up to 5 %."""
    size = images.shape[-1]
    down, across, mirror = torch.randint(0, 5, (3,), generator=generator).tolist()
    moved = functional.pad(images, (2, 2, 2, 2))[..., down : down + size, across : across + size]
    moved = moved.flip(-1) if mirror % 2 else moved
    strength = 0.05 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (moved + strength * torch.randn(moved.shape, generator=generator)).clamp(0, 1)


def _save(
    path: Path, modules: dict[str, nn.Module], optimizer: AdamW, step: int, used: float
) -> None:
    tensors = {
        f"{m}/{k}": v for m, module in modules.items() for k, v in module.state_dict().items()
    }
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    tensors["progress"] = torch.tensor([step, used], dtype=torch.float64)
    temporary = path.with_suffix(".partial")
    save_file({key: value.contiguous() for key, value in tensors.items()}, temporary)
    temporary.replace(path)


def _restore(path: Path, modules: dict[str, nn.Module], optimizer: AdamW) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    tensors = load_file(path)
    for name, module in modules.items():
        prefix = f"{name}/"
        module.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, field = key.split("/")
            states.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    step, used = tensors["progress"].tolist()
    return int(step), float(used)


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
