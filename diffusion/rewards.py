"""The reward of an episode and its terms, after arXiv 2509.14163 with a price on guidance.

    r_i = beta gain_i - cost of the action - price of the guidance       at every step
    r_T += alpha min(log p(y | x_0), log tau) - lambda_tv TV(x_0)        at the last step
           + realism log(real(x_0 | y) / generated(x_0 | y))

TV may be charged at every step instead, of the picture predicted then, as the paper writes it.

The paper charges a^2, the distance from the base guidance, which is just the movement that feedback
on the proxy's confidence needs. The default charges guidance itself instead, since too much of it
makes pictures unreal; realism asks for that itself, by a frozen discriminator's log density ratio.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

StepGain = Literal["confidence", "lpips", "ssim"]
ActionMode = Literal["mean", "step"]
GuidancePrice = Literal["abs", "square"]
VariationMode = Literal["end", "step"]

WEIGHT_OF = {
    "log_cap": "alpha",
    "step_gain": "beta",
    "lambda_act_mode": "lambda_act",
    "guidance_price": "lambda_guidance",
    "guidance_center": "lambda_guidance",
    "lambda_tv_mode": "lambda_tv",
}
"""What shapes a term, and the weight of that term: while the weight is 0 it does nothing."""
_FORMS = {
    "step_gain": StepGain,
    "lambda_act_mode": ActionMode,
    "guidance_price": GuidancePrice,
    "lambda_tv_mode": VariationMode,
}
_WEIGHTS = ("alpha", "beta", "lambda_act", "lambda_guidance", "lambda_tv", "realism")


@dataclass(frozen=True)
class RewardConfig:
    """Weights and forms of the reward's terms.

    By default: capped log p, the paper's confidence gain, and a price on guidance above 1.

    Attributes:
        alpha: Weight of log p(y | x_0) of the final picture, in nats.
        log_cap: Probability tau in (0, 1] at which log p is capped, so that nothing is gained by
            convincing the proxy further; None for no cap.
        beta: Weight of the step gain.
        step_gain: What a step can gain: ``confidence``, the rise of p(y | predicted x_0);
            ``lpips`` or ``ssim``, the approach of the predicted x_0 to the picture that the same
            latent gives under the constant base guidance.
        lambda_act: Weight of the squared clipped action.
        lambda_act_mode: ``mean`` charges the mean over the episode's steps, ``step`` every step in
            full, as the paper does.
        lambda_guidance: Weight of the mean price of guidance over the episode's steps.
        guidance_price: ``abs``: abs(g - center); ``square``: (g - center)^2.
        guidance_center: Guidance that costs nothing.
        lambda_tv: Weight of total variation.
        lambda_tv_mode: ``end`` charges the final picture, ``step`` the picture predicted after
            every step, each in full, as the paper does.
        realism: Weight of the final picture's log density ratio of real against generated, in nats.

    Raises:
        ValueError: If a weight is negative or not finite, or a form is unknown.
    """

    alpha: float = 1.0
    log_cap: float | None = 0.9
    beta: float = 0.2
    step_gain: StepGain = "confidence"
    lambda_act: float = 0.0
    lambda_act_mode: ActionMode = "mean"
    lambda_guidance: float = 0.1
    guidance_price: GuidancePrice = "abs"
    guidance_center: float = 1.0
    lambda_tv: float = 0.0
    lambda_tv_mode: VariationMode = "end"
    realism: float = 0.0

    def __post_init__(self) -> None:
        for name in _WEIGHTS:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}: give a finite number >= 0")
        for name, form in _FORMS.items():
            if getattr(self, name) not in get_args(form):
                raise ValueError(f"{name} is {getattr(self, name)!r}: use one of {get_args(form)}")
        if self.log_cap is not None and not 0 < self.log_cap <= 1:
            raise ValueError(f"log_cap is {self.log_cap}: give a probability in (0, 1], or None")
        if not math.isfinite(self.guidance_center):
            raise ValueError(f"guidance_center is {self.guidance_center}: give a finite guidance")

    @property
    def approaches(self) -> bool:
        """Whether a step gains by approaching the picture under the base guidance."""
        return self.beta > 0 and self.step_gain != "confidence"

    @property
    def needs_distance(self) -> bool:
        """Whether that approach is measured by a perceptual distance."""
        return self.beta > 0 and self.step_gain == "lpips"

    @property
    def needs_discriminator(self) -> bool:
        """Whether somebody has to tell real pictures from generated ones."""
        return self.realism > 0

    def record(self) -> dict[str, Any]:
        """All fields as plain values; `RewardConfig(**record)` is the same again.

        What the first cards did not know is left out at its default, so that digests of what they
        describe stay what they were.
        """
        fields = asdict(self)
        for name, default in (("lambda_tv_mode", "end"), ("realism", 0.0)):
            if fields[name] == default:
                del fields[name]
        return fields

    def terminal(self, log_probability: Tensor) -> Tensor:
        """Reward the final picture's log p(y | x_0), (N,) in nats, capped at log tau."""
        if self.log_cap is not None:
            log_probability = log_probability.clamp(max=math.log(self.log_cap))
        return self.alpha * log_probability

    def action_cost(self, action: Tensor, num_steps: int) -> Tensor:
        """Charge one step's clipped actions (N,) in an episode of ``num_steps``; <= 0."""
        share = num_steps if self.lambda_act_mode == "mean" else 1
        return -self.lambda_act / share * action.square()

    def guidance_cost(self, guidance: Tensor, num_steps: int) -> Tensor:
        """Charge one step's guidance (N,) in an episode of ``num_steps``; <= 0."""
        return -self.lambda_guidance / num_steps * self.guidance_distance(guidance)

    def guidance_distance(self, guidance: Tensor) -> Tensor:
        """What is charged for guidance (N,), before its weight; >= 0."""
        distance = guidance - self.guidance_center
        return distance.abs() if self.guidance_price == "abs" else distance.square()

    def variation_cost(self, images: Tensor, last: bool) -> Tensor:
        """Charge the pictures (N, C, H, W) in [0, 1] that a step led to; (N,), <= 0.

        Args:
            images: Predicted after the step; after the last one, the final pictures.
            last: Whether the step was the last one.
        """
        if not last and self.lambda_tv_mode == "end":
            return images.new_zeros(images.shape[0])
        return -self.lambda_tv * total_variation(images)


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, down plus across.

    Args:
        images: (N, C, H, W) in [0, 1], H and W at least 2.

    Returns:
        (N,) in [0, 2]; 0 for a flat picture.
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    across = (images[..., :, 1:] - images[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    return torch.add(down, across)


PAPER_REWARD = RewardConfig(
    log_cap=None, lambda_act=5e-3, lambda_act_mode="step", lambda_guidance=0.0
)
"""The weights of arXiv 2509.14163."""

REALISM_REWARD = RewardConfig(beta=0.0, lambda_guidance=0.0, realism=0.2)
"""Realism itself in the place of a price on guidance."""

_FREE = RewardConfig(beta=0.0, lambda_guidance=0.0)
PRICE_FORMS: dict[str, RewardConfig] = {
    "abs(g - 1)": replace(_FREE, lambda_guidance=0.1, guidance_price="abs", guidance_center=1.0),
    "(g - 1)^2": replace(_FREE, lambda_guidance=0.05, guidance_price="square", guidance_center=1.0),
    "(g - 2)^2": replace(_FREE, lambda_guidance=0.1, guidance_price="square", guidance_center=2.0),
}
"""The forms among which a bundle's head-room table chooses its default.

None has a step gain: what confidence gains over the steps adds up to the last picture's p, which
the terminal term holds already.
"""
