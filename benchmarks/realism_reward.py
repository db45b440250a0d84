"""What a reward that prices realism leaves to learn: its head-room table.

    python -m benchmarks.realism_reward DATA [FOLDER]

The reward of the default charges guidance, because too much of it makes pictures unreal. This one
asks about reality itself: a discriminator is fitted to tell the real pictures in DATA (the IDX
files of Fashion-MNIST) from generated ones, frozen, and its logit, the log density ratio of real
against generated, is added to the capped log p of the wanted class. It sees the last features of
AlexNet, which neither the proxy nor a judge shares; in this table AlexNet is therefore not held
out, and the two judges decide.

For every weight of the logit, the best constant, the best rule on the proxy's confidence p, the
best rule on the discriminator's own answer and greedy feedback are chosen on 400 latents. They play
the evaluation's 2,000: return over the best constant, and Frechet distance minus the constants' at
equal log p in every eye. The constant that is best for each latent in hindsight, on the 400, bounds
what choosing one constant per picture can bring. What was played is kept in FOLDER
(`runs-realism`, which git ignores), so the script can be stopped. Writes realism_reward.json.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.timing import significant, write_result
from diffusion.comparison import Interval, bootstrap_difference, resample_counts
from diffusion.datasets import Split, load_dataset, shrink
from diffusion.environment import GuidanceEnvironment
from diffusion.episodes import Episode, play, play_schedule
from diffusion.greedy import Greedy
from diffusion.imagenet_features import ImageNetFeatures
from diffusion.refinement import Point, refine
from qhw.config import parse_config
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.beside_constants import BesideConstants, beside_constants
from qhw.evaluation.choices import CHOOSING_SEED
from qhw.evaluation.judges import Judges, PairedLatents, evaluation_latents
from qhw.threads import one_thread
from qhw.training.player import Player

WEIGHTS = (0.05, 0.2)
"""Of the discriminator's logit, beside a log p of weight 1."""
REAL, DISCRIMINATOR_SEED = 5000, 717_171
MOST_GUIDANCE = 3.0
"""Generated pictures that the discriminator learns from are guided by 1 to this."""
EPOCHS, BATCH = 30, 250
CHOOSING, LATENTS, RESAMPLES = 400, 2000, 1000
CONSTANTS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
RULES = [(low, slope) for low in (0.5, 1.0, 1.5) for slope in (0.0, 1.5, 4.0)]
BOUNDS = ((-1.0, 4.0), (0.0, 13.0))

FloatArray = NDArray[np.float64]


class Discriminator(nn.Module):
    """Log density ratio of real against generated pictures of a class, in nats.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(nn.Linear(256 + classes, 64), nn.ReLU(), nn.Linear(64, 1))
        self.register_buffer("mean", torch.zeros(256))
        self.register_buffer("sd", torch.ones(256))
        self._eye: Callable[[Tensor], Tensor] = ImageNetFeatures()

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Logit (N,) of features (N, 256) of pictures that should show labels (N,)."""
        scaled = (features - self.get_buffer("mean")) / self.get_buffer("sd")
        named = functional.one_hot(labels, self.classes).float()
        logits: Tensor = self.layers(torch.cat([scaled, named], dim=1))
        return logits.squeeze(1)

    def look(self, images: Tensor) -> Tensor:
        """Features (N, 256) of pictures (N, c, h, w) in [0, 1]."""
        features: Tensor = self._eye(images)
        return features

    @torch.no_grad()
    def of(self, images: Tensor, labels: Tensor) -> Tensor:
        """Log density ratio (N,) of pictures (N, c, h, w) in [0, 1]."""
        ratios: Tensor = self(self.look(images), labels)
        return ratios


@dataclass(frozen=True)
class Reward:
    """min(log p, log .9) + weight log(real / generated), at the end; guidance costs nothing."""

    discriminator: Discriminator
    weight: float

    def of(self, images: Tensor, labels: Tensor, log_probability: Tensor) -> Tensor:
        """Return (N,) of final pictures."""
        capped = log_probability.clamp(max=math.log(0.9))
        return capped + self.weight * self.discriminator.of(images, labels)


@dataclass(frozen=True)
class Arm:
    """A way of guiding, and how it plays."""

    name: str
    play: Callable[[Tensor, Tensor], Episode]


class Arms:
    """Ways of guiding in one environment, under one reward."""

    def __init__(self, environment: GuidanceEnvironment, reward: Reward) -> None:
        self.environment = environment.widened()
        self.reward = reward
        self._scales = Greedy.over_range(environment, 0.0).scales

    def constant(self, point: Point) -> Arm:
        """One guidance for all."""
        (guidance,) = point
        schedule = torch.full((self.environment.num_steps,), guidance)
        return Arm(
            f"constant {guidance:g}", lambda x, y: play_schedule(self.environment, x, y, schedule)
        )

    def by_confidence(self, point: Point) -> Arm:
        """Rule on the proxy's confidence: g = lo + k (1 - p)."""
        return self._rule("p", point, lambda: self.environment.confidence)

    def by_realism(self, point: Point) -> Arm:
        """Rule on the discriminator's probability d that a picture is real: g = lo + k (1 - d)."""
        return self._rule("d", point, lambda: self._realism().sigmoid())

    def greedy(self) -> Arm:
        """Every step takes the scale whose predicted picture has the largest return."""

        def act(_step: int, state: Tensor) -> Tensor:
            scores = torch.stack([self._foreseen(scale) for scale in self._scales])
            chosen = torch.tensor(self._scales)[scores.argmax(dim=0)]
            return chosen.to(state) - self.environment.cfg_base

        return Arm("greedy", lambda x, y: play(self.environment, x, y, act))

    def _rule(self, symbol: str, point: Point, sight: Callable[[], Tensor]) -> Arm:
        low, slope = point

        def act(_step: int, _state: Tensor) -> Tensor:
            return low + slope * (1 - sight()) - self.environment.cfg_base

        name = f"rule {low:g} + {slope:g} (1 - {symbol})"
        return Arm(name, lambda x, y: play(self.environment, x, y, act))

    def _realism(self) -> Tensor:
        images, _ = self._predicted(1.0)
        return self.reward.discriminator.of(images, self._labels)

    def _foreseen(self, scale: float) -> Tensor:
        images, log_probability = self._predicted(scale)
        return self.reward.of(images, self._labels, log_probability)

    def _predicted(self, scale: float) -> tuple[Tensor, Tensor]:
        """The pictures that a guidance would predict now, and the proxy's log p."""
        environment, now = self.environment, self.environment.moment
        noise = now.prediction.guided(torch.full((len(now.latents),), scale))
        clean = environment.sampler.predicted_clean(now.latents, now.step, noise)
        return environment.sampler.denoiser.decode(clean), environment.foresee(scale)

    @property
    def _labels(self) -> Tensor:
        return self.environment.tensors()["labels"]


def fitted_discriminator(
    environment: GuidanceEnvironment, real: Split, fresh: Split, path: Path
) -> tuple[Discriminator, float]:
    """Fit it to as many real as generated pictures, or recall it; with its accuracy on others."""
    discriminator = Discriminator(int(real.labels.max()) + 1)
    seen = _examples(environment, discriminator, real, DISCRIMINATOR_SEED, path / "seen")
    if not (path / "discriminator.safetensors").exists():
        _fit(discriminator, *seen)
        state = discriminator.state_dict()
        save_file(state, path / "discriminator.safetensors")
    discriminator.load_state_dict(load_file(path / "discriminator.safetensors"))
    unseen = _examples(environment, discriminator, fresh, DISCRIMINATOR_SEED + 1, path / "unseen")
    features, labels, truth = unseen
    with torch.no_grad():
        right = (discriminator(features, labels) > 0) == (truth > 0.5)
    return discriminator.eval(), float(right.double().mean())


def _examples(
    environment: GuidanceEnvironment,
    discriminator: Discriminator,
    real: Split,
    seed: int,
    path: Path,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, labels and truth (1 real, 0 generated) of real pictures and as many generated."""
    file = path.with_suffix(".safetensors")
    if not file.exists():
        generated = _generated(environment, real.labels, seed)
        features = torch.cat(
            [discriminator.look(real.images.float() / 255), discriminator.look(generated)]
        )
        save_file({"features": features}, file)
    features = load_file(file)["features"]
    labels = real.labels.repeat(2)
    truth = torch.cat([torch.ones(len(real.labels)), torch.zeros(len(real.labels))])
    return features, labels, truth


def _generated(environment: GuidanceEnvironment, labels: Tensor, seed: int) -> Tensor:
    """Pictures of these labels, each under a constant of its own."""
    generator = torch.Generator().manual_seed(seed)
    sampler = environment.sampler
    latents = torch.randn(len(labels), *sampler.denoiser.sample_shape, generator=generator)
    guidance = 1 + (MOST_GUIDANCE - 1) * torch.rand(len(labels), generator=generator)
    schedule = guidance.expand(sampler.num_steps, -1)
    parts = zip(latents.split(64), labels.split(64), schedule.split(64, dim=1), strict=True)
    return torch.cat([sampler.denoiser.decode(sampler.sample(x, y, g)) for x, y, g in parts])


def _fit(discriminator: Discriminator, features: Tensor, labels: Tensor, truth: Tensor) -> None:
    torch.manual_seed(DISCRIMINATOR_SEED)
    discriminator.get_buffer("mean").copy_(features.mean(dim=0))
    discriminator.get_buffer("sd").copy_(features.std(dim=0).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(discriminator.layers.parameters(), lr=1e-3, weight_decay=0.05)
    generator = torch.Generator().manual_seed(DISCRIMINATOR_SEED)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(truth), generator=generator).split(BATCH):
            loss = functional.binary_cross_entropy_with_logits(
                discriminator(features[part], labels[part]), truth[part]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


class HeadRoom:
    """Everything that one weight of the discriminator's logit comes to."""

    def __init__(
        self,
        player: Player,
        reward: Reward,
        constants: dict[str, BesideConstants],
        paired: PairedLatents,
        folder: Path,
    ) -> None:
        self.arms = Arms(player.environment, reward)
        self._reward, self._constants, self._folder = reward, constants, folder
        self._own = evaluation_latents(player.bundle, CHOOSING, CHOOSING_SEED)
        self._paired, self._judges = paired, Judges(player.bundle)

    def table(self) -> dict[str, Any]:
        """Every arm beside the best constant."""
        constant = self.arms.constant(self._chosen_constant)
        arms = [
            constant,
            self.arms.by_confidence(self._chosen(self.arms.by_confidence)),
            self.arms.by_realism(self._chosen(self.arms.by_realism)),
            self.arms.greedy(),
        ]
        beside = self._final(constant)["returns"]
        rows = {arm.name: self._row(self._final(arm), beside) for arm in arms}
        return {"arms": rows, "hindsight, one constant per picture, on 400": self._hindsight()}

    @cached_property
    def _chosen_constant(self) -> Point:
        return self._best(self.arms.constant, [(g,) for g in CONSTANTS], (0.25,), BOUNDS[:1])

    def _chosen(self, arm: Callable[[Point], Arm]) -> Point:
        return self._best(arm, RULES, (0.25, 1.0), BOUNDS)

    def _best(
        self,
        arm: Callable[[Point], Arm],
        tried: Sequence[Point],
        steps: Point,
        bounds: Sequence[tuple[float, float]],
    ) -> Point:
        def score(point: Point) -> float:
            return float(self._returns(arm(point)).mean())

        return refine(score, max(tried, key=score), steps, bounds)

    def _hindsight(self) -> list[float]:
        grid = np.stack([self._returns(self.arms.constant((g,))) for g in CONSTANTS])
        best = self._returns(self.arms.constant(self._chosen_constant))
        return _rounded(bootstrap_difference(grid.max(axis=0), best))

    def _returns(self, arm: Arm) -> FloatArray:
        """Returns (N,) on the choosing latents, played once."""
        path = self._folder / f"{arm.name}.npy"
        if not path.exists():
            episode = arm.play(self._own.latents, self._own.labels)
            np.save(path, self._return_of(episode, self._own.labels))
        returns: FloatArray = np.load(path)
        return returns

    def _final(self, arm: Arm) -> dict[str, Any]:
        """Returns and eyes of the evaluation's latents."""
        episode = arm.play(self._paired.latents, self._paired.labels)
        outcome = self._judges.judge(episode, self._paired.labels)
        return {
            "returns": self._return_of(episode, self._paired.labels),
            "outcome": outcome,
            "realism": self._reward.discriminator.of(episode.images, self._paired.labels),
        }

    def _return_of(self, episode: Episode, labels: Tensor) -> FloatArray:
        returns = self._reward.of(episode.images, labels, episode.log_probability)
        return np.asarray(returns.double().numpy())

    def _row(self, final: dict[str, Any], beside: FloatArray) -> dict[str, Any]:
        outcome = final["outcome"]
        eyes = {}
        for eye, constants in self._constants.items():
            compared = constants.compare(outcome)
            eyes[eye] = {
                "accuracy": significant(float(outcome.scores[eye].arm.correct.mean())),
                "Frechet": significant(compared.frechet),
                "minus constants at equal log p": _rounded(compared.difference),
                "resolution": significant(constants.resolution),
            }
        return {
            "return": significant(float(final["returns"].mean())),
            "minus the best constant's": _rounded(bootstrap_difference(final["returns"], beside)),
            "log real/generated": significant(float(final["realism"].mean())),
            "mean guidance": significant(float(outcome.guidance.mean())),
            "eyes": eyes,
        }


def _rounded(interval: Interval) -> list[float]:
    return [significant(value) for value in (interval.estimate, interval.low, interval.high)]


@one_thread()
def main() -> None:
    """Fit the discriminator, then one table per weight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs-realism"))
    arguments = parser.parse_args()
    player = Player(parse_config({"backend": {"name": "aer"}}))
    size = player.bundle.denoiser.config.image_size
    dataset = shrink(load_dataset("fashion-mnist", arguments.data), size)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    some = torch.arange(REAL)
    discriminator, accuracy = fitted_discriminator(
        player.environment, dataset.train.pick(some), dataset.test.pick(some), arguments.folder
    )
    paired = evaluation_latents(player.bundle, LATENTS)
    constants = beside_constants(
        Baselines.of(player, Judges(player.bundle), paired), resample_counts(LATENTS, RESAMPLES, 0)
    )
    result: dict[str, Any] = {"discriminator's accuracy on unseen pictures": significant(accuracy)}
    for weight in WEIGHTS:
        folder = arguments.folder / f"weight-{weight:g}"
        folder.mkdir(exist_ok=True)
        room = HeadRoom(player, Reward(discriminator, weight), constants, paired, folder)
        result[f"min(log p, log .9) + {weight:g} log real/generated"] = room.table()
        write_result(__file__, result)


if __name__ == "__main__":
    main()
