"""A trained controller as a guider of diffusers' pipelines: `qhw.diffusers.QuantumGuidance`.

It stands where diffusers puts `ClassifierFreeGuidance`, and mixes the two predictions by a scale
that the controller sets for each image at each step. What a step looks like is read from the
denoiser's own input, so that nothing of the pipeline need be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.guiders.guider_utils import BaseGuidance, GuiderOutput
from torch import Tensor, nn

from diffusion.state_features import Observation, state_of
from qhw.controllers.controller import Controller, load_controller
from qhw.errors import ConfigError

Proxy = Callable[[Tensor], Tensor]
"""Clean latents (N, C, H, W) to log p (N, K) in nats of every class, such as a classifier's."""
OF_PROXY = ("confidence", "entropy", "margin")
"""Features of the state that are made of a proxy's answer."""
PREDICTIONS = ("epsilon", "v_prediction", "sample")


class QuantumGuidance(BaseGuidance):  # type: ignore[misc]
    """Classifier-free guidance whose scale a trained controller sets.

    Call `attach` before sampling: it takes what a guider is not told by its pipeline.

    Args:
        controller: Folder that `qhw export` wrote; kept in the guider's configuration.
        enabled: Whether there is guidance at all.

    Attributes:
        controller: The controller, opened on the simulator it was trained on; another may be put
            in its place.
        scales: The scales (N,) of every step so far.
    """

    _input_predictions: ClassVar = ["pred_cond", "pred_uncond"]

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, controller: str, enabled: bool = True) -> None:
        super().__init__(enabled=enabled)
        self.controller: Controller = load_controller(controller)
        self.scales: list[Tensor] = []
        self._scheduler: Any = None
        self._proxy: Proxy | None = None
        self._labels: Tensor | None = None
        self._action: Tensor | None = None
        self._hook: torch.utils.hooks.RemovableHandle | None = None
        self._latents: Tensor

    def attach(
        self, scheduler: Any, proxy: Proxy | None = None, labels: Tensor | None = None
    ) -> None:
        """Say what the pipeline samples with, and which classifier the state is made with.

        Args:
            scheduler: The pipeline's, of the DDPM family (it has `alphas_cumprod`).
            proxy: Answers on clean latents; needed if and only if the controller's state has a
                column of `OF_PROXY`.
            labels: Wanted classes (N,) int64 of the images, with a proxy.

        Raises:
            ConfigError: If the scheduler is of another family, or the proxy is missing.
        """
        kind = getattr(getattr(scheduler, "config", None), "prediction_type", None)
        if not hasattr(scheduler, "alphas_cumprod") or kind not in PREDICTIONS:
            raise ConfigError(
                f"{type(scheduler).__name__} (prediction_type {kind!r}) has no alphas_cumprod or "
                "predicts a flow: the controller's state is that of a variance-preserving "
                "diffusion.",
                "Take DDIMScheduler, DPMSolverMultistepScheduler or another of that family.",
            )
        wanted = [name for name in self.controller.features if name in OF_PROXY]
        if wanted and (proxy is None or labels is None):
            raise ConfigError(
                f"The controller reads {', '.join(wanted)}, and no proxy with labels was given.",
                "attach(scheduler, proxy, labels): a classifier of clean latents, and the wanted "
                "classes; or train one with state.features that need none.",
            )
        self._scheduler, self._proxy, self._labels = scheduler, proxy, labels

    def set_state(self, step: int, num_inference_steps: int, timestep: Tensor) -> None:
        """See diffusers' `BaseGuidance`; the first step forgets the pictures before."""
        super().set_state(step, num_inference_steps, timestep)
        if step == 0:
            self.scales = []
            self._action = None

    @property
    def num_conditions(self) -> int:
        """How often the denoiser is asked: twice, or once without guidance."""
        return 2 if self._enabled else 1

    @property
    def is_conditional(self) -> bool:
        """Whether the denoiser is being asked with the condition, which comes first."""
        return bool(self._count_prepared == 1)

    def prepare_inputs(self, data: dict[str, Any]) -> list[Any]:
        """See diffusers' `BaseGuidance`; pairs hold what is given with and without condition."""
        return [self._prepare_batch(data, index, name) for index, name in self._asked]

    def prepare_inputs_from_block_state(self, data: Any, input_fields: dict[str, Any]) -> list[Any]:
        """The same out of a pipeline's state."""
        return [
            self._prepare_batch_from_block_state(input_fields, data, index, name)
            for index, name in self._asked
        ]

    @property
    def _asked(self) -> list[tuple[int, str]]:
        return list(enumerate(self._input_predictions))[: self.num_conditions]

    def prepare_models(self, denoiser: nn.Module) -> None:
        """See diffusers' `BaseGuidance`; listens to what the denoiser is given."""
        super().prepare_models(denoiser)
        self._hook = denoiser.register_forward_pre_hook(self._listen, with_kwargs=True)

    def cleanup_models(self, denoiser: nn.Module) -> None:
        """See diffusers' `BaseGuidance`."""
        super().cleanup_models(denoiser)
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    @torch.no_grad()
    def forward(self, pred_cond: Tensor, pred_uncond: Tensor | None = None) -> GuiderOutput:
        """Mix the predictions (N, C, H, W) by the controller's scales.

        Raises:
            ConfigError: If `attach` was not called, or with as many labels as there are images.
        """
        if pred_uncond is None:
            return GuiderOutput(pred=pred_cond, pred_cond=pred_cond, pred_uncond=None)
        if self._scheduler is None:
            raise ConfigError(
                "The guider is attached to nothing.", "guider.attach(pipe.scheduler, proxy, labels)"
            )
        state = state_of(self._observe(pred_cond, pred_uncond), self.controller.features)
        self._action = self.controller.action(state.cpu())
        scale = self.controller.actions.guidance(self._action)
        self.scales.append(scale)
        mixed = scale.to(pred_cond)[:, None, None, None] * (pred_cond - pred_uncond)
        return GuiderOutput(pred=pred_uncond + mixed, pred_cond=pred_cond, pred_uncond=pred_uncond)

    def _listen(self, _module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Keep the noisy latents: the first thing that denoisers take."""
        self._latents = given[0] if given else next(iter(named.values()))

    def _observe(self, cond: Tensor, uncond: Tensor) -> Observation:
        noisy, timestep = self._latents, int(self._timestep)
        kept = self._scheduler.alphas_cumprod[timestep].to(noisy)
        clean, eps_cond = self._split(noisy, cond, kept)
        count = len(noisy)
        previous = noisy.new_zeros(count) if self._action is None else self._action.to(noisy)
        labels = torch.zeros(count, dtype=torch.int64) if self._labels is None else self._labels
        if len(labels) != count:
            raise ConfigError(
                f"{len(labels)} labels were attached, and there are {count} images.",
                "attach(scheduler, proxy, labels) before each sampling of other images.",
            )
        judged = noisy.new_zeros(count, 2) if self._proxy is None else self._proxy(clean)
        return Observation(
            timestep / self._scheduler.config.num_train_timesteps,
            noisy,
            self._split(noisy, uncond, kept)[1],
            eps_cond,
            previous,
            judged,
            labels.to(noisy.device),
        )

    def _split(self, noisy: Tensor, predicted: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Clean latents and noise, x_t = sqrt(kept) x_0 + sqrt(1 - kept) eps."""
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        kind = self._scheduler.config.prediction_type
        if kind == "v_prediction":
            return signal * noisy - noise * predicted, noise * noisy + signal * predicted
        if kind == "sample":
            return predicted, (noisy - signal * predicted) / noise
        return (noisy - noise * predicted) / signal, predicted
