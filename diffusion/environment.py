"""Guided sampling as an environment: N trajectories in lockstep, one denoiser forward per step.

The prediction that a step needs is made when the previous one ends: it gives the state the policy
acts on, and the same prediction is then mixed with the guidance the policy chose.

State (N, F): the columns that ``features`` names, out of `diffusion.state_features`. By default the
six of arXiv 2509.14163, normalised by the latent's size d = C H W:

    0  t / T                 noise level, in [0, 1)
    1  |x_t| / sqrt(d)       latent norm
    2  |eps_cond| / sqrt(d)  norm of the noise the denoiser sees
    3  <x_t, eps_cond> / d
    4  previous action / 2: the change of guidance that was applied
    5  p(y | x_0)            the proxy's answer on the x_0 predicted from eps_cond, in [0, 1]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from diffusion.actions import ACTION_LIMIT, ActionMap
from diffusion.metrics import ssim
from diffusion.rewards import RewardConfig
from diffusion.sampler import GuidedSampler, NoisePrediction
from diffusion.state_features import PAPER_FEATURES, Observation, check_features, state_of


class EpisodeError(ValueError):
    """The environment was asked for something this point of the episode cannot give."""


class ImageDistance(Protocol):
    """A perceptual distance between pictures."""

    def __call__(self, images: Tensor, references: Tensor) -> Tensor:
        """Compare (N, C, H, W) in [0, 1] pairwise; (N,), 0 for equal pictures."""


class DensityRatio(Protocol):
    """A discriminator of real against generated pictures."""

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Log density ratio (N,) of pictures (N, C, H, W) in [0, 1] that should show labels."""


@dataclass(frozen=True)
class StepResult:
    """What one step of N trajectories brought.

    Attributes:
        state: (N, F) float32. After the last step there is no noise left to predict: columns made
            of it are 0, and nothing may be bootstrapped from it.
        reward: (N,) the sum of the terms.
        done: True after the last step, for all trajectories at once.
        guidance: (N,) the clipped guidance that was applied.
        terms: Name to (N,) for ``terminal``, ``step_gain``, ``action``, ``guidance``, ``tv``, and
            with a discriminator ``realism``.
    """

    state: Tensor
    reward: Tensor
    done: bool
    guidance: Tensor
    terms: dict[str, Tensor]


@dataclass(frozen=True)
class Moment:
    """What a step begins with.

    Attributes:
        step: 0 for the first, noisiest step.
        latents: (N, C, H, W) at that step's noise level.
        prediction: The noise seen in them.
    """

    step: int
    latents: Tensor
    prediction: NoisePrediction


@dataclass(eq=False, repr=False)
class GuidanceEnvironment:
    """N images denoised side by side, each under the guidance its action asks for.

    An action becomes a guidance as `diffusion.actions` says. Reward, cost and state see the clipped
    values. Pictures are made where the networks are; what a step brings is on the processor, where
    the policy is: on a GPU one transfer a step, and the actions back.

    Attributes:
        sampler: The denoising process.
        proxy: Classifier of pictures in [0, 1] to logits, frozen and in evaluation mode.
        reward: Weights of the reward.
        cfg_base: Guidance CFG_0 of action 0; inside guidance_range.
        guidance_range: Smallest and largest guidance.
        action_limit: Largest absolute action.
        previous_action: Whether state and cost see the change of guidance that was ``applied``, or
            the action that was ``asked`` for within action_limit, as 0.1 had it.
        distance: Perceptual distance; needed if and only if ``reward.needs_distance``.
        discriminator: Prices realism; needed if and only if ``reward.needs_discriminator``.
        features: Columns of the state, names in `STATE_FEATURES`.

    Raises:
        ValueError: If the proxy is in training mode, a feature is unknown, or a range, the distance
            or the discriminator does not fit.
    """

    sampler: GuidedSampler
    proxy: nn.Module
    reward: RewardConfig
    cfg_base: float
    guidance_range: tuple[float, float] = (1.0, 12.0)
    _: KW_ONLY
    action_limit: float = ACTION_LIMIT
    previous_action: Literal["applied", "asked"] = "applied"
    distance: ImageDistance | None = None
    discriminator: DensityRatio | None = None
    features: tuple[str, ...] = PAPER_FEATURES

    def __post_init__(self) -> None:
        self.actions = ActionMap(
            self.cfg_base, self.guidance_range, self.action_limit, self.previous_action
        )
        if self.proxy.training:
            raise ValueError("the proxy is in training mode: call proxy.eval() first")
        if self.reward.needs_distance != (self.distance is not None):
            raise ValueError(
                f"step_gain is {self.reward.step_gain!r} with beta {self.reward.beta:g}, and "
                f"distance is {self.distance!r}: give a distance with 'lpips' and a beta above 0, "
                "and with nothing else"
            )
        if self.reward.needs_discriminator != (self.discriminator is not None):
            raise ValueError(
                f"realism is {self.reward.realism:g}, and discriminator is {self.discriminator!r}: "
                "give one with a weight above 0, and with nothing else"
            )
        check_features(self.features)
        self.device = next(self.proxy.parameters()).device
        self._step = -1
        self._images: Tensor
        self._latents: Tensor
        self._log_probability: Tensor
        self._prediction: NoisePrediction
        self._clean: Tensor | None = None

    def widened(self) -> GuidanceEnvironment:
        """Another one whose action limit never binds: guidance is limited to its range alone."""
        return replace(self, action_limit=self.guidance_range[1])

    @property
    def num_steps(self) -> int:
        """Steps T of every episode."""
        return self.sampler.num_steps

    @torch.no_grad()
    def reset(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Start N episodes.

        With ``step_gain`` ``lpips`` or ``ssim`` and a ``beta`` above 0 the pictures to approach
        are sampled here, at the cost of one more trajectory.

        Args:
            latents: (N, C, H, W) standard normal noise.
            labels: (N,) integers in [0, num_classes).

        Returns:
            The first state (N, F).

        Raises:
            ValueError: If a shape does not fit the denoiser, or a label is not a class.
        """
        self._check_start(latents, labels)
        self._latents, self._labels = latents.to(self.device), labels.to(self.device)
        self._step, self._clean = 0, None
        self._action = self._latents.new_zeros(len(latents))
        self._references: Tensor | None = None
        if self.reward.approaches:
            clean = self.sampler.sample(self._latents, self._labels, self.cfg_base)
            self._references = self.sampler.denoiser.decode(clean)
        return self._observe().cpu()

    @torch.no_grad()
    def step(self, actions: Tensor) -> StepResult:
        """Apply one action per image.

        Args:
            actions: (N,) wanted change of guidance; finite, clipped here.

        Raises:
            EpisodeError: If there is no episode, or it has ended.
            ValueError: If the shape is wrong or an action is not finite.
        """
        self._check_action(actions)
        self._action = self.clip_actions(actions.to(self._latents))
        guidance = self.guidance_of(self._action)
        quality = self._quality
        self._latents, self._clean = self.sampler.step(
            self._latents, self._step, self._prediction, guidance, self._clean
        )
        self._step += 1
        done = self._step == self.num_steps
        state = self._finish() if done else self._observe()
        terms = self._terms(guidance, self._quality - quality, done)
        reward = torch.stack(list(terms.values())).sum(dim=0)
        return _brought(StepResult(state, reward, done, guidance, terms))

    def tensors(self) -> dict[str, Tensor]:
        """Everything the rest of the episode depends on, so that `restore` goes on with it.

        Raises:
            EpisodeError: If there is no episode, or it has ended.
        """
        self._require(0 <= self._step < self.num_steps, "no episode is under way: call reset first")
        tensors = {
            "latents": self._latents,
            "labels": self._labels,
            "action": self._action,
            "images": self._images,
            "log_probability": self._log_probability,
            "quality": self._quality,
            "eps_uncond": self._prediction.eps_uncond,
            "eps_cond": self._prediction.eps_cond,
            "step": torch.tensor(self._step),
        }
        if self._references is not None:
            tensors["references"] = self._references
        if self._clean is not None:
            tensors["clean"] = self._clean
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on in the middle of an episode, bit for bit.

        Args:
            tensors: What `tensors` gave, in an environment of the same settings.

        The state to act on is not made anew: keep it beside them, since its sums may round another
        way once the tensors lie in memory in another order.
        """
        self._check_start(tensors["latents"], tensors["labels"])
        self._step = int(tensors["step"])
        tensors = {name: tensor.to(self.device) for name, tensor in tensors.items()}
        self._latents, self._labels = tensors["latents"], tensors["labels"]
        self._action, self._images = tensors["action"], tensors["images"]
        self._log_probability, self._quality = tensors["log_probability"], tensors["quality"]
        self._prediction = NoisePrediction(tensors["eps_uncond"], tensors["eps_cond"])
        self._references, self._clean = tensors.get("references"), tensors.get("clean")

    @property
    def action_range(self) -> tuple[float, float]:
        """Smallest and largest action that has an effect of its own."""
        return self.actions.range

    def clip_actions(self, actions: Tensor) -> Tensor:
        """Clip actions; see `diffusion.actions`."""
        return self.actions.clip(actions)

    def guidance_of(self, actions: Tensor) -> Tensor:
        """The guidance that actions, clipped or not, give; see `diffusion.actions`."""
        return self.actions.guidance(actions)

    @property
    def moment(self) -> Moment:
        """What the next step begins with.

        Raises:
            EpisodeError: If there is no episode, or it has ended.
        """
        self._require(0 <= self._step < self.num_steps, "no episode is under way: call reset first")
        return Moment(self._step, self._latents, self._prediction)

    @torch.no_grad()
    def foreseen_images(self, guidance: float) -> Tensor:
        """The clean pictures D(g) (N, c, H, W) in [0, 1] that a guidance would predict now.

        Raises:
            EpisodeError: If there is no episode, or it has ended.
        """
        now = self.moment
        noise = now.prediction.guided(torch.full_like(self._action, guidance))
        clean = self.sampler.predicted_clean(now.latents, now.step, noise)
        return self.sampler.denoiser.preview(clean)

    @torch.no_grad()
    def foresee(self, guidance: float) -> Tensor:
        """What the last step would be paid for these pictures D(g); (N,).

        Their log p(y | D(g)) and their realism, as the reward weighs them.

        Raises:
            EpisodeError: If there is no episode, or it has ended.
        """
        images = self.foreseen_images(guidance)
        paid = self.reward.terminal(self._wanted(self._look(images)))
        if self.discriminator is None:
            return paid
        return paid + self.reward.realism * self.discriminator(images, self._labels)

    @property
    def confidence(self) -> Tensor:
        """The proxy's p(y | x_0) (N,) now, in [0, 1], whatever the state holds.

        Raises:
            EpisodeError: If there is no episode.
        """
        self._require(self._step >= 0, "no episode has been started: call reset first")
        return self._log_probability.exp().float()

    @property
    def finished(self) -> bool:
        """Whether there was an episode, and it has ended."""
        return self._step == self.num_steps

    @property
    def predicted_images(self) -> Tensor:
        """The clean pictures (N, c, H, W) in [0, 1] that the state speaks of; at last the final.

        Raises:
            EpisodeError: If there is no episode.
        """
        self._require(self._step >= 0, "no episode has been started: call reset first")
        return self._images

    @property
    def final_images(self) -> Tensor:
        """Pictures (N, c, H, W) in [0, 1] of a finished episode."""
        self._require_finished()
        return self._images

    @property
    def final_latents(self) -> Tensor:
        """Clean latents (N, C, H, W) of a finished episode."""
        self._require_finished()
        return self._latents

    @property
    def final_log_probability(self) -> Tensor:
        """The proxy's log p(y | x_0) (N,) in nats of a finished episode, not capped."""
        self._require_finished()
        return self._log_probability

    def _observe(self) -> Tensor:
        """Predict the noise of the current latents and describe them; (N, F)."""
        x = self._latents
        self._prediction = self.sampler.predict(x, self._step, self._labels)
        clean = self.sampler.predicted_clean(x, self._step, self._prediction.eps_cond)
        self._judge(self.sampler.denoiser.preview(clean))
        level = self.sampler.timesteps[self._step] / self.sampler.noise_schedule.num_train_timesteps
        return self._state(level, self._prediction)

    def _finish(self) -> Tensor:
        """Judge the final picture; its state has no noise."""
        self._judge(self.sampler.denoiser.decode(self._latents))
        nothing = torch.zeros_like(self._latents)
        return self._state(0.0, NoisePrediction(nothing, nothing))

    def _state(self, level: float, prediction: NoisePrediction) -> Tensor:
        seen = Observation(
            level,
            self._latents,
            prediction.eps_uncond,
            prediction.eps_cond,
            self._action,
            self._log_probabilities,
            self._labels,
        )
        return state_of(seen, self.features)

    def _judge(self, images: Tensor) -> None:
        """Ask the proxy and the step gain's measure about pictures (N, c, H, W)."""
        self._images = images
        self._log_probabilities = self._look(self._images)
        self._log_probability = self._wanted(self._log_probabilities)
        # What the step gain is the rise of; (N,).
        if self._references is None:
            self._quality = self._log_probability.exp()
        elif self.distance is not None:
            self._quality = -self.distance(self._images, self._references)
        else:
            self._quality = ssim(self._images, self._references)

    def _look(self, images: Tensor) -> Tensor:
        """The proxy's log p (N, K) of all classes."""
        log_probabilities: Tensor = self.proxy(images).log_softmax(dim=1)
        return log_probabilities

    def _wanted(self, log_probabilities: Tensor) -> Tensor:
        """Those of the wanted classes (N,)."""
        return log_probabilities.gather(1, self._labels[:, None])[:, 0]

    def _terms(self, guidance: Tensor, gain: Tensor, done: bool) -> dict[str, Tensor]:
        nothing = torch.zeros_like(gain)
        reward = self.reward
        terms = {
            "terminal": reward.terminal(self._log_probability) if done else nothing,
            "step_gain": reward.beta * gain,
            "action": reward.action_cost(self._action, self.num_steps),
            "guidance": reward.guidance_cost(guidance, self.num_steps),
            "tv": reward.variation_cost(self._images, done),
        }
        if self.discriminator is not None:
            ratio = self.discriminator(self._images, self._labels) if done else nothing
            terms["realism"] = reward.realism * ratio
        return terms

    def _check_start(self, latents: Tensor, labels: Tensor) -> None:
        wanted = tuple(self.sampler.denoiser.sample_shape)
        if tuple(latents.shape[1:]) != wanted or latents.shape[0] == 0:
            raise ValueError(f"latents have shape {tuple(latents.shape)}: need (N, *{wanted})")
        if labels.shape != latents.shape[:1] or labels.dtype != torch.int64:
            raise ValueError(
                f"labels are {labels.dtype} {tuple(labels.shape)}: need int64 ({latents.shape[0]},)"
            )
        classes = self.sampler.denoiser.num_classes
        if int(labels.min()) < 0 or int(labels.max()) >= classes:
            raise ValueError(f"labels reach {int(labels.max())}: need 0 to {classes - 1}")

    def _check_action(self, actions: Tensor) -> None:
        self._require(self._step >= 0, "no episode has been started: call reset first")
        self._require(self._step < self.num_steps, "the episode has ended: call reset")
        if actions.shape != self._action.shape:
            raise ValueError(
                f"actions have shape {tuple(actions.shape)}: need {tuple(self._action.shape)}"
            )
        if not bool(torch.isfinite(actions).all()):
            raise ValueError("an action is not finite: the policy has diverged, lower its rate")

    def _require_finished(self) -> None:
        self._require(self._step == self.num_steps, f"{self._step} of {self.num_steps} steps done")

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise EpisodeError(message)


def _brought(result: StepResult) -> StepResult:
    """The result on the processor, in one transfer."""
    if result.reward.device.type == "cpu":
        return result
    names = list(result.terms)
    columns = [result.reward, result.guidance, *result.terms.values()]
    table = torch.cat([result.state, torch.stack(columns, dim=1)], dim=1).cpu()
    width = result.state.shape[1]
    reward, guidance, *terms = table[:, width:].unbind(dim=1)
    state, named = table[:, :width].contiguous(), dict(zip(names, terms, strict=True))
    return StepResult(state, reward, result.done, guidance, named)


def draw_latents(count: int, seed: int, shape: Sequence[int], first: int = 0) -> Tensor:
    """Draw standard normal latents, episode k's depending on the seed and k alone.

    The numbers come from numpy, whose seeds are not cut to 32 bits, so that no two episodes share
    a stream and every machine draws the same ones.

    Args:
        count: Episodes N.
        seed: At least 0.
        shape: (C, H, W) of one latent.
        first: Number k of the first episode.

    Returns:
        (N, C, H, W) float32.
    """
    size = math.prod(shape)
    rows = np.empty((count, size), dtype=np.float32)
    for row, episode in enumerate(range(first, first + count)):
        np.random.default_rng([seed, episode]).standard_normal(out=rows[row], dtype=np.float32)
    return torch.from_numpy(rows).reshape(count, *shape)


def draw_labels(count: int, num_classes: int, first: int = 0) -> Tensor:
    """Give episode k the class k mod num_classes, so that classes are balanced; (N,) int64."""
    return torch.arange(first, first + count) % num_classes
